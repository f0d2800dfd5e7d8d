"""Inputs that spike at the same time count as one: the black pixels of an image, say.

A membrane only sees the sum of the weights of simultaneous inputs. So the inputs of each trial that
spike together, last of all or first of all, are taken out, and an input of their own replaces them,
whose weights are their sum. Both the sums and the gradients of the weights in them are matrix
products, which cost far less than to go through the inputs one by one.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SMALLEST_SHARE = 0.25
"""Share of the inputs, in the mean over trials, from which on it is worth it."""


class SimultaneousInputs(NamedTuple):
    """Inputs of each trial that spike together."""

    members: Tensor  # (trial, pre) bool, which inputs they are
    at: Tensor  # (trial,) when they spike, in ms; inf where there are none

    def join(self, times: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Times (trial, pre + trial) and weights (pre + trial, post) with one input for them."""
        n_trials, n_pre = times.shape
        joined = times.new_full((n_trials, n_pre + n_trials), torch.inf)
        joined[:, :n_pre] = times.masked_fill(self.members, torch.inf)
        joined[:, n_pre:].diagonal().copy_(self.at)
        extended = weights.new_empty((n_pre + n_trials, weights.shape[1]))
        extended[:n_pre] = weights
        torch.mm(self.members.to(weights.dtype), weights, out=extended[n_pre:])
        return joined, extended

    def share(self, gradient: Tensor) -> Tensor:
        """Gradient of the weights (pre, post) from that of the joined ones (pre + trial, post)."""
        n_pre = self.members.shape[1]
        return gradient[:n_pre].addmm_(self.members.to(gradient.dtype).T, gradient[n_pre:])


def find(times: Tensor) -> SimultaneousInputs | None:
    """The last inputs of each trial if they spike together, or else the first, if it is worth it.

    `times` (trial, pre) are inf where silent. None if too few inputs spike together, or there are
    more trials than inputs.
    """
    n_trials, n_pre = times.shape
    if n_trials == 0 or n_trials > n_pre:
        return None
    first = times.amin(dim=1)
    last = torch.where(times < torch.inf, times, first[:, None]).amax(dim=1)
    for at in (last, first):
        members = (times == at[:, None]) & (times < torch.inf)
        if torch.count_nonzero(members) >= SMALLEST_SHARE * times.numel():
            return SimultaneousInputs(members, at)
    return None
