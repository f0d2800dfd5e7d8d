"""Figures of pathways: the pathways themselves, and their preference by area."""
