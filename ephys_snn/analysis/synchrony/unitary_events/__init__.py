"""Unitary events: coincidences of a few units beyond what their rates predict."""
