"""Analyses of recordings, a package for each question, and what they share."""
