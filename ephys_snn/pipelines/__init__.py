"""The pipelines: one recording in, tables, figures and provenance out."""
