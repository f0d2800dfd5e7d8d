"""Implementations of the first spike time and its gradient, one per kind of device.

All are dimensionless: times in units of τ_m since the first input of the trial, weights in units of
the threshold, ``inf`` where a neuron or input is silent. Each offers two functions on plain
contiguous tensors (trial, pre), (pre, post) and (trial, post), none of them empty:

``forward(times, weights, equal)``
    Spike times T and the slopes V̇(T) of the membrane there, in units of θ / τ_m, both
    (trial, post); slopes of silent neurons mean nothing. None where the inputs of a trial span too
    long for the numbers of this dtype. `equal` is whether τ_m = τ_s, else it is 2 τ_s.
``backward(times, weights, spike_times, errors, equal, want_times)``
    Gradients with respect to the times, or None if they are not wanted, and to the weights. The
    errors (trial, post) are the gradients that arrive at the spikes, over V̇(T), and anything where
    there is no spike.

What they have in common is done once, by `ephys_snn.spike_time.dimensionless`.
"""
