"""Ranking losses against loops written from the paper's equations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from sklearn_audio.zero_shot._ranking_losses import (
    RANKING_LOSSES,
    largest_hinge_loss,
    margins,
    summed_hinge_loss,
    weighted_ranking_loss,
)


def losses_of(scores, label):
    """Return l(x_n, y_n, y) of Eq. 5 for every y."""
    return [
        (0 if y == label else 1) + score - scores[label]
        for y, score in enumerate(scores)
    ]


def equation_4(scores, label):
    """Return the term of one clip."""
    losses = losses_of(scores, label)
    rank = sum(loss > 0 for loss in losses)
    if rank == 0:
        return 0.0
    beta = sum(1 / j for j in range(1, rank + 1))  # Eq. 3
    return beta / rank * sum(max(0.0, loss) for loss in losses)


@st.composite
def scored_clips(draw):
    n_classes = draw(st.integers(2, 7))
    numbers = st.floats(-3, 3, width=32)
    row = st.lists(numbers, min_size=n_classes, max_size=n_classes)
    rows = draw(st.lists(row, min_size=1, max_size=5))
    label = st.integers(0, n_classes - 1)
    return rows, draw(st.lists(label, min_size=len(rows), max_size=len(rows)))


@given(scored_clips())
def test_losses_are_those_of_the_equations(clips):
    rows, labels = clips
    scores = torch.tensor(rows, dtype=torch.float64)
    y = torch.tensor(labels)
    expected = [losses_of(*clip) for clip in zip(rows, labels, strict=True)]
    np.testing.assert_allclose(margins(scores, y), expected)
    np.testing.assert_allclose(
        weighted_ranking_loss(scores, y),
        [equation_4(*clip) for clip in zip(rows, labels, strict=True)],
    )
    hinges = [[max(0.0, loss) for loss in row] for row in expected]
    np.testing.assert_allclose(summed_hinge_loss(scores, y), [sum(h) for h in hinges])
    np.testing.assert_allclose(largest_hinge_loss(scores, y), [max(h) for h in hinges])


@pytest.mark.parametrize("loss", RANKING_LOSSES.values(), ids=RANKING_LOSSES)
def test_gradients(loss):
    rng = np.random.default_rng(0)
    scores = torch.tensor(rng.normal(size=(6, 5)), requires_grad=True)
    y = torch.tensor(rng.integers(0, 5, 6))
    assert gradcheck(lambda s: loss(s, y), [scores])


@pytest.mark.parametrize("loss", RANKING_LOSSES.values(), ids=RANKING_LOSSES)
def test_a_clip_ranked_by_a_margin_costs_nothing(loss):
    scores = torch.tensor([[2.0, 1.0, 0.5], [2.0, 1.5, 0.5]])
    cost = loss(scores, torch.tensor([0, 0]))
    assert cost[0] == 0
    assert cost[1] > 0
