"""One step of each training, against its loss written by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sklearn_audio.semi_supervised import (
    CAEPretrainedClassifier,
    ConvAutoencoder,
    LabelEnhancingClassifier,
    MeanTeacherClassifier,
)
from sklearn_audio.semi_supervised import (
    _cae_pretrained_classifier as pretrained_module,
)
from sklearn_audio.semi_supervised import _mean_teacher_classifier as teacher_module

ONE_BATCH = {"batch_size": 24, "max_epochs": 3, "lr": 1e-3, "random_state": 0}


@pytest.fixture(scope="module")
def clips():
    """Spectrograms in dB of three classes of unequal size."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [5, 7, 12])
    X = rng.normal(-40, 4, size=(24, 12, 10)) + 4 * np.arange(12)[:, None]
    X[np.arange(24), 3 * y] += 20
    return X.astype(np.float32), y


def blend(values):
    """Add a quarter of its neighbour to three of each."""
    return 0.75 * values + 0.25 * values.roll(1, dims=0)


def blend_clips(X, targets, alpha, generator):
    assert alpha == 0.4
    return blend(X), blend(targets)


def clipped(X, generator=None):
    """Augment clips without chance, in a way that no normalisation takes out."""
    return X.clamp(min=-42.0)


# ConvAutoencoder


def standardised(X, raw):
    return (X - raw.mean((0, 2), keepdims=True)) / raw.std((0, 2), keepdims=True)


def copy_of(network, x):
    return network.decoder(*network.encoder.with_switches(x))[:, 0]


@pytest.mark.parametrize("decoder", ["unpooling", "upsampling", "transposed"])
def test_a_step_lowers_the_squared_error_of_copies(clips, record_steps, decoder):
    model = ConvAutoencoder(width=4, decoder=decoder, **ONE_BATCH)
    for step in record_steps(model, clips[0]):
        x = torch.from_numpy(standardised(step.batch[0].numpy(), clips[0]))
        loss = ((copy_of(step.before["module"], x) - x) ** 2).mean()
        step.assert_gradient(0, loss, "module")


def test_a_step_leads_from_noisy_clips_to_clean_ones(clips, record_steps):
    model = ConvAutoencoder(width=4, objective="denoising", corruption=0.7, **ONE_BATCH)
    step = record_steps(model, clips[0])[0]
    x = torch.from_numpy(standardised(step.batch[0].numpy(), clips[0]))
    noisy = x + 0.7 * step.normal(*x.shape)
    loss = ((copy_of(step.before["module"], noisy) - x) ** 2).mean()
    step.assert_gradient(0, loss, "module")


def test_a_step_judges_what_was_blanked_out_alone(clips, record_steps):
    model = ConvAutoencoder(width=4, objective="masked", corruption=0.4, **ONE_BATCH)
    step = record_steps(model, clips[0])[0]
    x = torch.from_numpy(standardised(step.batch[0].numpy(), clips[0]))
    cells = torch.rand(24, 1, 2, 2, generator=step.generator)[:, 0] < 0.4
    blank = cells.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)[:, :12, :10]
    copy = copy_of(step.before["module"], torch.where(blank, 0.0, x))
    step.assert_gradient(0, ((copy - x)[blank] ** 2).mean(), "module")


def test_an_autoencoder_moves_by_adam_and_settles(
    clips, record_steps, assert_adam, assert_settled
):
    model = ConvAutoencoder(width=4, **ONE_BATCH)
    steps = record_steps(model, clips[0])
    assert [len(step.gradients) for step in steps] == [1, 1, 1]
    assert_adam(steps, "module", 0, lr=1e-3)
    assert_settled(model.modules_["module"], torch.from_numpy(clips[0]))


# CAEPretrainedClassifier


def fine_tuned(**settings):
    return CAEPretrainedClassifier(
        **{
            "autoencoder": ConvAutoencoder(width=4, max_epochs=1, random_state=0),
            **ONE_BATCH,
            "n_hidden": 6,
            "dropout": 0.25,
            "augmenter": clipped,
            "class_weight": "balanced",
            "label_smoothing": 0.2,
            "lr_schedule": None,
            "weight_decay": 0.1,
            **settings,
        },
    )


def smoothed_cross_entropy(logits, y, weights):
    targets = 0.8 * F.one_hot(y, 3) + 0.2 / 3
    losses = -(weights * targets * logits.log_softmax(dim=1)).sum(dim=1)
    return losses.sum() / weights[y].sum()


def test_a_step_of_fine_tuning(clips, record_steps):
    for step in record_steps(fine_tuned(), *clips):
        X, y = step.batch
        network = step.before["module"]
        code = network.encoder(clipped(X)).flatten(1)
        kept = torch.rand(code.shape, generator=step.generator) >= 0.25
        weights = 24 / (3 * torch.bincount(y))
        logits = network.head(torch.where(kept, code / 0.75, 0.0))
        loss = smoothed_cross_entropy(logits, y, weights)
        step.assert_gradient(0, loss, "module")


def test_a_step_on_mixed_clips(clips, record_steps, monkeypatch):
    monkeypatch.setattr(pretrained_module, "mixup", blend_clips)
    plain = {"dropout": 0.0, "label_smoothing": 0.0, "class_weight": None}
    step = record_steps(fine_tuned(mixup_alpha=0.4, **plain), *clips)[0]
    X, targets = clipped(step.batch[0]), F.one_hot(step.batch[1], 3)
    network = step.before["module"]
    logits = network.head(network.encoder(blend(X)).flatten(1))
    loss = -(blend(targets) * logits.log_softmax(dim=1)).sum(dim=1).mean()
    step.assert_gradient(0, loss, "module")


def test_a_step_towards_several_labels(clips, partial_labels, record_steps):
    plain = {"dropout": 0.0, "class_weight": None}
    step = record_steps(fine_tuned(**plain), clips[0], partial_labels[1])[0]
    X, labels = step.batch
    network = step.before["module"]
    logits = network.head(network.encoder(clipped(X)).flatten(1))
    known = ~labels.isnan()
    smoothed, z = 0.8 * labels[known] + 0.1, logits[known]
    losses = smoothed * torch.log1p(torch.exp(-z))
    losses = losses + (1 - smoothed) * torch.log1p(torch.exp(z))
    step.assert_gradient(0, losses.mean(), "module")


def test_encoder_and_head_move_at_rates_of_their_own(clips, record_steps, assert_adam):
    steps = record_steps(fine_tuned(lr_encoder=1e-4), *clips)
    rates = [
        torch.full((weight.numel(),), 1e-4 if name.startswith("encoder") else 1e-3)
        for name, weight in steps[0].before["module"].named_parameters()
    ]
    assert_adam(steps, "module", 0, lr=[torch.cat(rates)] * 3, decay=0.1)
    steps = record_steps(fine_tuned(), *clips)
    assert_adam(steps, "module", 0, lr=1e-3, decay=0.1)


def test_fine_tuning_settles_on_augmented_clips(clips, record_steps, assert_settled):
    model = fine_tuned()
    record_steps(model, *clips)
    assert_settled(model.modules_["module"], clipped(torch.from_numpy(clips[0])))


def test_a_frozen_encoder_stays_as_it_is(clips, record_steps, assert_adam):
    autoencoder = ConvAutoencoder(width=4, max_epochs=1, random_state=0).fit(clips[0])
    model = fine_tuned(autoencoder=autoencoder, freeze_encoder=True)
    steps = record_steps(model, *clips)
    assert_adam(steps, "module", 0, lr=1e-3, decay=0.1)
    frozen = autoencoder.modules_["module"].encoder.state_dict()
    for name, value in model.modules_["module"].encoder.state_dict().items():
        torch.testing.assert_close(value, frozen[name], rtol=0, atol=0)
    code = steps[1].before["module"].encoder.eval()(clipped(steps[1].batch[0]))
    kept = torch.rand(24, code[0].numel(), generator=steps[1].generator) >= 0.25
    y = steps[1].batch[1]
    logits = steps[1].before["module"].head(code.flatten(1) * kept / 0.75)
    loss = smoothed_cross_entropy(logits, y, 24 / (3 * torch.bincount(y)))
    steps[1].assert_gradient(0, loss, "module")


# MeanTeacherClassifier


@pytest.fixture(scope="module")
def partial_labels():
    """Short spectrograms, labels half of which are missing, and how sure they are."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 5, 4)).astype(np.float32)
    y = np.where(rng.random((24, 3)) < 0.5, -1, rng.integers(0, 2, size=(24, 3)))
    return X, y, rng.uniform(0.5, 2, size=y.shape).astype(np.float32)


def student_and_teacher(**settings):
    return MeanTeacherClassifier(
        **{
            **ONE_BATCH,
            "consistency": 5.0,
            "ramp_up": 1.0,
            "temperature": 0.5,
            "mixup": 0.0,
            "decay": 0.6,
            "noise": 0.2,
            "masked_share": 0.2,
            "dropout": 0.3,
            "width": 6,
            "lr_schedule": None,
            "weight_decay": 0.1,
            **settings,
        }
    )


def masked_cross_entropy(logits, labels, weights):
    """Return the mean of the known entries, by their weights."""
    known = ~labels.isnan()
    odds = torch.where(labels == 1, -logits, logits)[known]
    return (weights[known] * torch.log1p(odds.exp())).sum() / weights[known].sum()


def logits_of_student(step, X):
    return step.before["student"](X, step.generator, 0.2, 0.2)


def test_a_step_of_the_student(partial_labels, record_steps):
    X, y, sureness = partial_labels
    steps = record_steps(student_and_teacher(), X, y, label_weight=sureness)
    for epoch, step in enumerate(steps, start=1):
        X, labels, weights = step.batch
        loss = masked_cross_entropy(logits_of_student(step, X), labels, weights)
        teacher = step.before["module"].network.eval()
        target = torch.sigmoid(teacher(X) / 0.5)
        gap = torch.sigmoid(logits_of_student(step, X)) - target
        weight = 5.0 * np.exp(-5 * (1 - epoch / 3) ** 2)
        step.assert_gradient(0, loss + weight * (gap**2).mean(), "student")


def test_a_step_between_clips(partial_labels, record_steps, monkeypatch):
    monkeypatch.setattr(teacher_module, "mixup", blend_clips)
    X, y, _ = partial_labels
    step = record_steps(student_and_teacher(mixup=0.4, ramp_up=0.0), X, y)[0]
    X, labels, weights = step.batch
    loss = masked_cross_entropy(logits_of_student(step, X), labels, weights)
    expected = torch.sigmoid(step.before["module"].network.eval()(X) / 0.5)
    gap = torch.sigmoid(logits_of_student(step, blend(X))) - blend(expected)
    step.assert_gradient(0, loss + 5.0 * (gap**2).mean(), "student")


def test_a_step_with_one_class_a_clip(record_steps):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 5, 4)).astype(np.float32), np.arange(24) % 3
    y[12:] = -1
    step = record_steps(student_and_teacher(ramp_up=0.0), X, y)[1]
    X, classes, _ = step.batch
    log_p = logits_of_student(step, X).log_softmax(dim=1)
    is_known = classes >= 0
    loss = -log_p[is_known, classes[is_known].long()].mean()
    expected = (step.before["module"].network.eval()(X) / 0.5).softmax(dim=1)
    gap = logits_of_student(step, X).softmax(dim=1) - expected
    step.assert_gradient(0, loss + 5.0 * (gap**2).mean(), "student")


def test_the_student_moves_by_adam_and_the_teacher_follows(
    partial_labels, record_steps, assert_adam, assert_settled
):
    X, y, _ = partial_labels
    model = student_and_teacher(max_epochs=4)
    steps = record_steps(model, X, y)
    assert_adam(steps, "student", 0, lr=1e-3, decay=0.1)
    for step, kept in zip(steps, [0.0, 1 / 2, 0.6, 0.6], strict=True):
        weights = zip(
            step.before["module"].parameters(),
            step.after["student"].parameters(),
            step.after["module"].parameters(),
            strict=True,
        )
        for before, student, after in weights:
            torch.testing.assert_close(after, kept * before + (1 - kept) * student)
    assert_settled(model.modules_["module"], torch.from_numpy(X))


# Settings of papers


def test_the_mean_teacher_of_the_paper(partial_labels, record_steps):
    model = MeanTeacherClassifier.from_paper()
    assert model.get_params() == {
        "missing": "mask",
        # Student and teacher get the same clips; the disagreement is not ramped up
        "consistency": 1.0,
        "ramp_up": 0.0,
        "temperature": 1.0,
        "mixup": 0.0,
        "noise": 0.0,
        "masked_share": 0.0,
        "decay": 0.999,
        # The code's network and training
        "width": 128,
        "dropout": 0.5,
        "max_epochs": 100,
        "batch_size": 64,
        "lr": 1e-3,
        "lr_schedule": None,
        "weight_decay": 1e-5,
        "validation_fraction": None,
        "n_iter_no_change": None,
        # Not of the method
        "threshold": 0.5,
        "cv": None,
        "warm_start": False,
        "device": "auto",
        "random_state": None,
        "verbose": 0,
        "callbacks": None,
    }
    step = record_steps(model.set_params(width=6, max_epochs=2), *partial_labels[:2])[1]
    X, labels, weights = step.batch
    logits = step.before["student"](X, step.generator)
    loss = masked_cross_entropy(logits, labels, weights)
    expected = torch.sigmoid(step.before["module"].network.eval()(X))
    gap = torch.sigmoid(step.before["student"](X, step.generator)) - expected
    step.assert_gradient(0, loss + (gap**2).mean(), "student")


def test_the_label_enhancing_of_the_papers():
    settings = LabelEnhancingClassifier.from_paper().get_params(deep=False)
    network = settings.pop("estimator")
    plain = MeanTeacherClassifier.from_paper(consistency=0.0, decay=0.0)
    assert network.get_params() == plain.get_params()
    assert settings == {
        # Stage 1: all missing labels are negative
        "missing": "negative",
        # Stage 2: the loss is masked, and nothing is filled in
        "masked_share": 0.1,
        "positive_share": 0.0,
        "guess_weight": 1.0,
        # Not of the method
        "threshold": 0.5,
        "cv": None,
        "random_state": None,
    }
    given = LabelEnhancingClassifier.from_paper(network, masked_share=0.2)
    assert (given.estimator, given.masked_share) == (network, 0.2)
