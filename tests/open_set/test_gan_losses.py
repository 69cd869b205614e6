from functools import partial

import numpy as np
import pytest
import torch
from geomloss import SamplesLoss
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, logsumexp, softmax
from torch.distributions import Normal, kl_divergence

from sklearn_audio.open_set import _gan_losses
from sklearn_audio.open_set._gan_losses import (
    SCORE_SCALING,
    TRAINING_SCALING,
    class_distances,
    classification_loss,
    confidence_loss,
    kl_loss,
    sinkhorn_divergence,
    structure_loss,
)

COSTS = ["euclidean", "discrete", "semantic"]


def normal(*shape, seed=0, **kwargs):
    array = np.random.default_rng(seed).normal(size=shape)
    return torch.tensor(array, **kwargs)


def make_distances(n_classes):
    """Distances of classes whose embeddings are unlike each other."""
    embeddings = np.random.default_rng(1).normal(size=(n_classes, 8))
    return class_distances(embeddings, np.arange(n_classes))


def draw_probabilities(n_clips, n_classes, concentration=1.0):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.dirichlet([concentration] * n_classes, n_clips))


# Eq. 1


def slow_classification_loss(logits, targets, label_smoothing, weight):
    """Eq. 1, summed over clips, output by output."""
    n_outputs = logits.shape[1]
    loss = 0.0
    for row, target in zip(logits, targets, strict=True):
        for k, log_probability in enumerate(log_softmax(row)):
            smooth = (1 - label_smoothing) * target[k] + label_smoothing / n_outputs
            loss -= weight[k] * smooth * log_probability
    return loss


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [[1.0] * 4, [0.3, 1.0, 2.0, 0.7]])
def test_classification_loss_follows_the_equation(label_smoothing, weight):
    """With indices, the mean is one weighted by the classes of the clips."""
    logits, indices = normal(5, 4), torch.tensor([0, 2, 3, 2, 1])
    certain = torch.eye(4, dtype=torch.float64)[indices]
    mixed = 0.7 * certain + 0.3 * certain.flip(0)
    total_weight = sum(weight[k] for k in indices)
    for targets, probabilities, divisor in (
        (indices, certain, total_weight),
        (mixed, mixed, 5),
    ):
        total = slow_classification_loss(
            logits.numpy(), probabilities.numpy(), label_smoothing, weight
        )
        actual = classification_loss(
            logits, targets, label_smoothing, torch.tensor(weight).double()
        )
        assert actual.item() == pytest.approx(total / divisor)


# Eqs. 2 to 4


def slow_transport(p, q, costs, epsilon):
    """Eq. 4 with its sign corrected, by Sinkhorn's iterations on logarithms."""
    f, g = np.zeros(len(p)), np.zeros(len(q))
    for _ in range(400):
        f = epsilon * (np.log(p) - logsumexp((g - costs) / epsilon, axis=1))
        g = epsilon * (np.log(q) - logsumexp((f - costs.T) / epsilon, axis=1))
    gamma = np.exp((f[:, None] + g - costs) / epsilon)
    assert_allclose(gamma.sum(axis=1), p, atol=1e-9)
    entropy = cost = 0.0
    for i in range(len(p)):
        for j in range(len(q)):
            entropy -= gamma[i, j] * np.log(gamma[i, j])  # Eq. 3
            cost += gamma[i, j] * costs[i, j]
    return cost - epsilon * entropy


def slow_divergence(p, costs, epsilon):
    uniform = np.full(len(p), 1 / len(p))
    return (
        slow_transport(p, uniform, costs, epsilon)
        - slow_transport(p, p, costs, epsilon) / 2
        - slow_transport(uniform, uniform, costs, epsilon) / 2
    )


@pytest.mark.parametrize("cost", ["discrete", "semantic"])
@pytest.mark.parametrize(
    ("blur", "scaling", "tolerance"),
    [
        (0.5, TRAINING_SCALING, 2e-2),
        (0.5, SCORE_SCALING, 3e-3),
        (1.0, TRAINING_SCALING, 1e-4),
        (3.0, TRAINING_SCALING, 1e-5),
    ],
)
def test_divergence_follows_the_equation(cost, blur, scaling, tolerance):
    p, distances = draw_probabilities(3, 5), make_distances(5)
    costs = distances.numpy() if cost == "semantic" else 1 - np.eye(5)
    expected = [slow_divergence(row, costs, blur**2) for row in p.numpy()]
    actual = sinkhorn_divergence(p, cost, blur, distances, scaling)
    assert_allclose(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("blur", [0.05, 1.0])
def test_euclidean_divergence_is_that_of_single_points(blur):
    p = draw_probabilities(6, 10)
    uniform = torch.full_like(p, 0.1)
    geomloss = SamplesLoss("sinkhorn", p=2, blur=blur, backend="tensorized")
    expected = geomloss(p[:, None], uniform[:, None])  # clouds of one point each
    assert_allclose(sinkhorn_divergence(p, "euclidean", blur), expected)


def test_euclidean_divergence_of_a_sure_answer():
    sure = torch.eye(10)[:1]
    assert sinkhorn_divergence(sure).item() == pytest.approx(0.45)


@pytest.mark.parametrize("concentration", [0.3, 1.0, 100.0])
def test_a_batch_as_one_cloud_is_cheaper_by_what_it_costs_to_move_itself(concentration):
    """Half of epsilon log B at most, for the identity is a plan of that entropy."""
    n_clips, blur = 16, 0.05
    p = draw_probabilities(n_clips, 10, concentration)
    geomloss = SamplesLoss(
        "sinkhorn", p=2, blur=blur, scaling=0.99, diameter=1.5, backend="tensorized"
    )
    cloud = geomloss(p, torch.full_like(p, 0.1)).item()
    saved = sinkhorn_divergence(p).mean().item() - cloud
    assert 0 < saved <= blur**2 * np.log(n_clips) / 2 + 1e-6


@pytest.mark.parametrize("blur", [0.2, 0.1, 0.05])
def test_discrete_divergence_tends_to_total_variation(blur):
    """Entropies of at most log K, times epsilon, are what the two can differ by."""
    p = draw_probabilities(6, 5)
    total_variation = (p - 0.2).abs().sum(dim=1) / 2
    actual = sinkhorn_divergence(p, "discrete", blur, scaling=0.999)
    assert_allclose(actual, total_variation, rtol=0, atol=blur**2 * np.log(5))


def test_discrete_divergence_of_large_blur_is_the_euclidean_one():
    p = draw_probabilities(6, 5)
    blurred = sinkhorn_divergence(p, "discrete", blur=100.0)
    assert_allclose(blurred, sinkhorn_divergence(p, "euclidean"), rtol=0, atol=1e-5)


def test_semantic_divergence_of_large_blur_is_the_maximum_mean_discrepancy():
    p, distances = draw_probabilities(6, 5), make_distances(5)
    expected = [-(row - 0.2) @ distances @ (row - 0.2) / 2 for row in p]
    blurred = sinkhorn_divergence(p, "semantic", 100.0, distances)
    assert_allclose(blurred, expected, rtol=0, atol=1e-5)


def test_semantic_divergence_at_equal_distances_is_the_discrete_one():
    p = draw_probabilities(6, 5)
    semantic = sinkhorn_divergence(p, "semantic", 0.5, 1 - torch.eye(5).double())
    assert_array_equal(semantic, sinkhorn_divergence(p, "discrete", 0.5))


def test_semantic_divergence_without_distances():
    with pytest.raises(ValueError, match="needs the distances"):
        sinkhorn_divergence(draw_probabilities(2, 5), "semantic")


def test_semantic_divergence_of_doubt_between_neighbours_is_the_larger():
    """Two pairs of neighbours: half of the mass is far from where it should be."""
    angles = np.array([0.0, 0.1, 1.5, 1.6])
    embeddings = np.column_stack([np.cos(angles), np.sin(angles)])
    distances = class_distances(embeddings, np.arange(4))
    p = torch.tensor([[0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0]], dtype=torch.float64)
    within_pair, across = sinkhorn_divergence(p, "semantic", 0.5, distances)
    assert within_pair > 10 * across
    within_pair, across = sinkhorn_divergence(p, "discrete", 0.5)
    assert within_pair.item() == pytest.approx(across.item())


# Logits of three clips.
ANSWERS = st.integers(2, 6).flatmap(
    lambda n_classes: arrays(np.float64, (3, n_classes), elements=st.floats(-20, 20))
)


@given(ANSWERS, st.sampled_from(COSTS), st.sampled_from([0.3, 0.5, 1.0]))
def test_divergence_is_not_negative(logits, cost, blur):
    p = torch.from_numpy(softmax(logits, axis=1))
    divergences = sinkhorn_divergence(p, cost, blur, make_distances(p.shape[1]))
    assert divergences.shape == (3,)
    assert (divergences >= -1e-6).all()


@given(st.floats(-20, 20), st.integers(2, 12), st.sampled_from(COSTS))
def test_divergence_of_undecided_answers_is_zero(logit, n_classes, cost):
    logits = torch.full((2, n_classes), logit)
    loss = confidence_loss(logits, cost, 0.5, make_distances(n_classes))
    assert loss.item() == pytest.approx(0, abs=1e-6)


@given(ANSWERS, st.sampled_from(COSTS), st.randoms(use_true_random=False))
def test_order_of_the_classes_does_not_matter(logits, cost, random):
    p = torch.from_numpy(softmax(logits, axis=1))
    distances = make_distances(p.shape[1])
    order = random.sample(range(p.shape[1]), p.shape[1])
    reordered = distances[order][:, order]
    assert_allclose(
        sinkhorn_divergence(p[:, order], cost, 0.5, reordered),
        sinkhorn_divergence(p, cost, 0.5, distances),
        atol=1e-10,
    )


@pytest.mark.parametrize("cost", COSTS)
def test_divergence_of_a_clip_does_not_depend_on_the_others(cost):
    p = draw_probabilities(7, 5)
    divergence = partial(sinkhorn_divergence, cost=cost, distances=make_distances(5))
    alone = torch.cat([divergence(row[None]) for row in p])
    assert_allclose(divergence(p), alone, rtol=1e-12)


@pytest.mark.parametrize("cost", COSTS)
def test_confidence_loss_is_the_mean_of_the_divergences(cost):
    logits, distances = normal(4, 5), make_distances(5)
    divergences = [
        sinkhorn_divergence(row.softmax(0)[None], cost, 0.5, distances).item()
        for row in logits
    ]
    loss = confidence_loss(logits, cost, 0.5, distances)
    assert loss.item() == pytest.approx(sum(divergences) / 4)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("blur", [0.05, 0.5])
@pytest.mark.parametrize("logits", [[0, 0, 0], [50, 0, -50], [1e4, 0, 0], [9, 9, -1e4]])
def test_gradients_are_finite_at_the_corners(cost, blur, logits):
    logits = torch.tensor([logits], dtype=torch.float32, requires_grad=True)
    loss = confidence_loss(logits, cost, blur, make_distances(3))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("cost", COSTS)
def test_training_on_it_leads_to_undecided_answers(cost):
    logits, distances = normal(4, 5, requires_grad=True), make_distances(5)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        confidence_loss(logits, cost, 1.0, distances).backward()
        optimizer.step()
    assert_allclose(logits.detach().softmax(dim=1), 0.2, atol=0.02)


def test_gradient_mode_is_left_as_it_was():
    p = draw_probabilities(2, 5)
    with torch.no_grad():
        sinkhorn_divergence(p, "discrete")
        assert not torch.is_grad_enabled()
    sinkhorn_divergence(p, "discrete")
    assert torch.is_grad_enabled()


def test_gradients_survive_an_interrupt(monkeypatch):
    def interrupted(*_):
        torch.set_grad_enabled(False)  # as geomloss does before its iterations
        raise KeyboardInterrupt

    monkeypatch.setattr(_gan_losses.SamplesLoss, "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sinkhorn_divergence(draw_probabilities(2, 5), "discrete")
    assert torch.is_grad_enabled()


# Eqs. 6 and 8


def test_kl_loss_follows_the_equation():
    mean, log_variance = normal(3, 4), normal(3, 4, seed=1)
    expected = 0.0
    for mu, s in zip(mean.numpy(), log_variance.numpy(), strict=True):
        expected += 0.5 * (mu @ mu + sum(np.exp(s_j) - s_j - 1 for s_j in s)) / 3
    assert kl_loss(mean, log_variance).item() == pytest.approx(expected)


def test_kl_loss_equals_torchs():
    mean, log_variance = normal(3, 4), normal(3, 4, seed=1)
    posterior, prior = Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)
    expected = kl_divergence(posterior, prior).sum(dim=1).mean()
    assert kl_loss(mean, log_variance).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("reduction", "n_values", "n_features"), [("mean", 4 * 5, 6), ("sum", 1, 1)]
)
def test_structure_loss_follows_the_equation(reduction, n_values, n_features):
    x, x_tilde = normal(3, 4, 5), normal(3, 4, 5, seed=1)
    features, features_tilde = normal(3, 6, seed=2), normal(3, 6, seed=3)
    expected = 0.0
    for i in range(3):
        pictures = np.sum((x[i] - x_tilde[i]).numpy() ** 2) / n_values
        matching = np.sum((features[i] - features_tilde[i]).numpy() ** 2) / n_features
        expected += 0.5 * (0.3 * pictures + 2.0 * matching) / 3
    clips = x, x_tilde, features, features_tilde
    actual = structure_loss(*clips, alpha=0.3, beta=2.0, reduction=reduction)
    assert actual.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "shapes"),
    [
        (
            partial(
                classification_loss,
                targets=torch.tensor([0, 2, 1]),
                label_smoothing=0.1,
                weight=torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64),
            ),
            [(3, 3)],
        ),
        (confidence_loss, [(3, 4)]),
        (kl_loss, [(3, 4), (3, 4)]),
        (structure_loss, [(2, 3, 4), (2, 3, 4), (2, 5), (2, 5)]),
    ],
)
def test_gradients(loss, shapes):
    arguments = [
        normal(*shape, seed=seed, requires_grad=True)
        for seed, shape in enumerate(shapes)
    ]
    assert torch.autograd.gradcheck(loss, arguments)


@pytest.mark.parametrize("cost", ["discrete", "semantic"])
def test_gradients_of_transport(cost):
    """They hold in the limit of the iterations, which a slow blur comes near."""

    def loss(logits):
        p = logits.softmax(dim=1)
        return sinkhorn_divergence(p, cost, 1.0, make_distances(4), scaling=0.999)

    logits = normal(3, 4, requires_grad=True)
    assert torch.autograd.gradcheck(loss, logits, atol=1e-4)


# Distances of the classes


def test_class_distances_are_one_minus_the_cosine():
    embeddings = normal(3, 4).numpy()
    distances = class_distances(embeddings, np.array(["a", "b", "c"]))
    for i, u in enumerate(embeddings):
        for j, v in enumerate(embeddings):
            cosine = u @ v / np.sqrt((u @ u) * (v @ v))
            assert distances[i, j].item() == pytest.approx(1 - cosine, abs=1e-12)


def test_class_distances_by_label():
    embeddings = {"no": [0.0, 1.0], "up": [1.0, 0.0], "go": [1.0, 1.0]}
    classes = np.array(["go", "no", "up"])
    by_label = class_distances(embeddings, classes)
    in_order = class_distances([embeddings[label] for label in classes], classes)
    assert_array_equal(by_label, in_order)


def test_a_class_without_a_vector():
    with pytest.raises(ValueError, match=r"no vector for \['up'\]"):
        class_distances({"go": [0.0, 1.0]}, np.array(["go", "up"]))


def test_more_vectors_than_classes():
    with pytest.raises(ValueError, match="3 vectors, but y holds 2 classes"):
        class_distances(np.eye(3), np.array(["go", "up"]))
