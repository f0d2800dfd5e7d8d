"""Spike patterns that recur with fixed lags, by Elephant's SPADE."""
