"""Figures of the battery: one for each experiment, by what its rows can show."""

from ephys_snn.perturbation.battery.figures.battery import battery_figures

__all__ = ["battery_figures"]
