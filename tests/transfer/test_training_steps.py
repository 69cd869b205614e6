"""One step of each training, against its loss written by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_audio.transfer import (
    EmbeddingRegularizedClassifier,
    ReprogrammedClassifier,
)

ONE_BATCH = {
    "batch_size": 18,
    "max_epochs": 3,
    "lr": 1e-3,
    "lr_schedule": None,
    "weight_decay": 0.1,
    "class_weight": "balanced",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def clips():
    """Spectrograms of two classes of unequal size."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [5, 13])
    X = rng.normal(-40, 4, size=(18, 10, 12))
    X[y == 1, 2:5] += 10
    return X.astype(np.float32), y


def clipped(X, generator=None):
    """Augment clips without chance, in a way that no normalisation takes out."""
    return X.clamp(min=-42.0)


def cross_entropy(logits, y):
    weights = len(y) / (2 * torch.bincount(y))
    losses = -logits.log_softmax(dim=1)[range(len(y)), y]
    return (weights[y] * losses).sum() / weights[y].sum()


@pytest.fixture(scope="module")
def table():
    """Three labels per clip, a third of which nobody knows."""
    rng = np.random.default_rng(2)
    return np.where(rng.random((18, 3)) < 0.3, -1, rng.integers(0, 2, size=(18, 3)))


def binary_cross_entropy(logits, labels):
    """Return the mean over known entries; both answers to a label weigh the same."""
    total, weights = 0.0, 0.0
    for column, z in zip(labels.T, logits.T, strict=True):
        for answer in (0, 1):
            which = column == answer
            weight = (~column.isnan()).sum() / (2 * which.sum())
            losses = torch.log1p(torch.exp(z[which] if answer == 0 else -z[which]))
            total, weights = (
                total + weight * losses.sum(),
                weights + weight * len(losses),
            )
    return total / weights


# EmbeddingRegularizedClassifier


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def con_regularisation(step, embeddings, teacher):
    projected = step.before["projection"](embeddings)
    return 1 - (unit(projected) * unit(teacher)).sum(dim=1).mean()


def dis_regularisation(step, embeddings, teacher):
    own = unit(embeddings - embeddings.mean(dim=0))
    gaps = own @ own.T - unit(teacher) @ unit(teacher).T
    return gaps.abs().mean()


def centred_distances(rows):
    gaps = rows[:, None] - rows
    distances = torch.where(
        torch.eye(len(rows)) > 0, 0.0, (gaps.square().sum(dim=2) + 1e-30).sqrt()
    )
    means = distances.mean(dim=0)
    return distances - means - means[:, None] + means.mean()


def distance_decorrelation(step, embeddings, teacher):
    own, other = centred_distances(embeddings), centred_distances(teacher)
    scale = (own.square().mean() * other.square().mean()).sqrt()
    return 1 - ((own * other).mean() / scale).sqrt()


PENALTIES = {
    "con": con_regularisation,
    "dis": dis_regularisation,
    "distance_correlation": distance_decorrelation,
}


def taught(**settings):
    return EmbeddingRegularizedClassifier(
        width=2,
        weight=0.3,
        augmenter=clipped,
        **{**ONE_BATCH, **settings},
    )


@pytest.fixture(scope="module")
def embeddings():
    return np.random.default_rng(1).normal(3, 2, size=(18, 7)).astype(np.float32)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_step_towards_labels_and_teacher(clips, embeddings, record_steps, penalty):
    model = taught(penalty=penalty)
    centred = embeddings - embeddings.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=1).mean())
    for step in record_steps(model, *clips, embeddings=embeddings):
        X, y, teacher = step.batch
        rows = (clips[0][None] == X.numpy()[:, None]).all(axis=(2, 3)).argmax(axis=1)
        np.testing.assert_allclose(teacher, centred[rows] / scale, rtol=1e-5)
        module = step.before["module"]
        own = module.embed(clipped(X))
        loss = 0.7 * cross_entropy(module.output(own), y)
        loss = loss + 0.3 * PENALTIES[penalty](step, own, teacher)
        names = ["module", "projection"] if penalty == "con" else ["module"]
        assert list(step.before) == names
        step.assert_gradient(0, loss, *names)


def test_clips_without_a_label_follow_the_teacher_alone(
    clips, embeddings, record_steps
):
    X, y = clips[0], np.where(np.arange(18) % 3 == 0, -1, clips[1])
    step = record_steps(taught(), X, y, embeddings=embeddings)[0]
    X, y, teacher = step.batch
    own = step.before["module"].embed(clipped(X))
    logits, is_known = step.before["module"].output(own), y >= 0
    loss = 0.7 * cross_entropy(logits[is_known], y[is_known])
    loss = loss + 0.3 * con_regularisation(step, own, teacher)
    step.assert_gradient(0, loss, "module", "projection")


def test_a_step_towards_several_labels(clips, table, embeddings, record_steps):
    step = record_steps(taught(), clips[0], table, embeddings=embeddings)[0]
    X, labels, teacher = step.batch
    own = step.before["module"].embed(clipped(X))
    loss = 0.7 * binary_cross_entropy(step.before["module"].output(own), labels)
    loss = loss + 0.3 * con_regularisation(step, own, teacher)
    step.assert_gradient(0, loss, "module", "projection")


def test_without_a_teacher_a_step_is_that_of_a_classifier(clips, record_steps):
    step = record_steps(taught(), *clips)[0]
    logits = step.before["module"](clipped(step.batch[0]))
    step.assert_gradient(0, cross_entropy(logits, step.batch[1]), "module")


def test_network_and_projection_move_by_adam(
    clips, embeddings, record_steps, assert_adam, assert_settled
):
    model = taught()
    steps = record_steps(model, *clips, embeddings=embeddings)
    assert [len(step.gradients) for step in steps] == [1, 1, 1]
    for name in ("module", "projection"):
        assert_adam(steps, name, 0, lr=1e-3, decay=0.1)
    assert_settled(model.modules_["module"], torch.from_numpy(clips[0]))


# ReprogrammedClassifier


def frozen_network():
    """Return a network whose outputs show its mode, and whether it has changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(120, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout()
        )
        with torch.no_grad():
            network(torch.randn(50, 10, 12))  # running statistics that are not 0 and 1
        return network.eval()


@pytest.mark.parametrize("input_transform", ["unet", "cnn"])
def test_a_step_of_reprogramming(clips, record_steps, assert_adam, input_transform):
    X, y = clips[0] / 40 + 1, clips[1]
    model = ReprogrammedClassifier(
        backbone=frozen_network(), input_transform=input_transform, **ONE_BATCH
    )
    steps = record_steps(model, X, y)
    for step in steps:
        clips, y = step.batch
        module = step.before["module"]
        images = (clips[:, None] - X.mean()) / X.std()
        shown = (module.input_transform(images) * X.std() + X.mean())[:, 0]
        logits = module.output_map(frozen_network()(shown))
        step.assert_gradient(0, cross_entropy(logits, y), "module")
    assert_adam(steps, "module", 0, lr=1e-3, decay=0.1)


def test_a_step_of_reprogramming_for_several_labels(clips, table, record_steps):
    X = clips[0] / 40 + 1
    model = ReprogrammedClassifier(backbone=frozen_network(), **ONE_BATCH)
    step = record_steps(model, X, table)[0]
    module = step.before["module"]
    mean, deviation = step.batch[0].mean(), step.batch[0].std(correction=0)
    images = (step.batch[0][:, None] - mean) / deviation
    shown = (module.input_transform(images) * deviation + mean)[:, 0]
    logits = module.output_map(frozen_network()(shown))
    step.assert_gradient(0, binary_cross_entropy(logits, step.batch[1]), "module")


def test_the_backbone_stays_and_the_u_net_settles(clips, record_steps, assert_settled):
    X = clips[0] / 40 + 1
    model = ReprogrammedClassifier(backbone=frozen_network(), **ONE_BATCH)
    record_steps(model, X, clips[1])
    module = model.modules_["module"]
    weights = zip(
        module.body.network.state_dict().values(),
        frozen_network().state_dict().values(),
        strict=True,
    )
    for after, before in weights:
        torch.testing.assert_close(after, before, rtol=0, atol=0)
    images = torch.from_numpy((X - X.mean()) / X.std())[:, None]
    assert_settled(module.input_transform, images)


def test_without_a_transform_the_map_alone_is_trained(clips, record_steps):
    model = ReprogrammedClassifier(
        backbone=frozen_network(), input_transform=None, **ONE_BATCH
    )
    step = record_steps(model, *clips)[0]
    embeddings, y = step.batch
    assert embeddings.shape == (18, 6)
    logits = step.before["module"].output_map(embeddings)
    step.assert_gradient(0, cross_entropy(logits, y), "module")
