"""Implementations of the first spike time and its gradient, one per kind of device.

Each offers the same two functions on plain tensors, in dimensionless form: times in units of τ_m,
weights in units of the threshold.
"""
