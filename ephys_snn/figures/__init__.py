"""Figures: Viziphant and matplotlib, one module per pipeline."""
