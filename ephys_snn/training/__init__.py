"""Training networks by exact first-spike times: steps, loss, homeostasis, runs that survive."""
