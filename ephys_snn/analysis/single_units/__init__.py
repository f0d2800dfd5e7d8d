"""What single units do: against a baseline, and by class over time."""
