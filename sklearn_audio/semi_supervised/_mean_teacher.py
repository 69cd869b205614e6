r"""The mean teacher: a copy of a network that follows its weights from afar.

After step t of the student's training, :math:`\theta'_t = \alpha_t \theta'_{t-1} +
(1 - \alpha_t) \theta_t` with

.. math:: \alpha_t = \min\left(1 - \frac{1}{t + 1}, \alpha\right), \quad t = 0, 1, \dots

The teacher is the plain mean of all students so far, until the decay :math:`\alpha`
makes it forget the oldest ones.

References
----------
.. [1] Tarvainen, A. and Valpola, H. (2017). "Mean teachers are better role models:
   weight-averaged consistency targets improve semi-supervised deep learning results."
   NeurIPS. https://doi.org/10.48550/arXiv.1703.01780
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
from torch import nn


class MeanTeacher(nn.Module):
    """A network whose weights are averages over the training of another one [1]_.

    Parameters
    ----------
    student : nn.Module
        The network that is trained; the teacher begins as a copy of it.
    """

    n_steps: torch.Tensor

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(student).requires_grad_(False)
        self.register_buffer("n_steps", torch.tensor(0))

    def forward(self, *args: Any) -> torch.Tensor:
        """Return what the averaged network makes of the clips."""
        return self.network(*args)

    @torch.no_grad()
    def follow(self, student: nn.Module, decay: float) -> None:
        """Move the weights, and the statistics of normalisations too.

        Parameters
        ----------
        student : nn.Module
            The network, one step further.
        decay : float in [0, 1]
            Largest share that the teacher keeps of itself. 0 makes it the student.
        """
        kept = min(1 - 1 / (int(self.n_steps) + 1), decay)
        states = student.state_dict()
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(states[name], 1 - kept)
            else:  # a counter
                value.copy_(states[name])
        self.n_steps += 1


def ramp_up(progress: float) -> float:
    """Return the weight of the consistency: near 0 at first, and 1 from progress 1 on.

    The Gaussian ramp of the mean teacher, :math:`e^{-5 (1 - p)^2}`.
    """
    return math.exp(-5 * (1 - min(progress, 1.0)) ** 2)
