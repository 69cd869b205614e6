"""What a second fit owes to the first: settings of now count, failures undo nothing."""

import copy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from sklearn_audio.anomaly import (
    ConvAutoencoderDetector,
    FramedDetector,
    GMGANDetector,
    NearestNeighborsDetector,
    WaveNetDetector,
)
from sklearn_audio.augmentation import AugmentingClassifier, SpectrogramAugmenter
from sklearn_audio.feature_extraction import SpectrogramStatistics
from sklearn_audio.open_set import (
    AugGANClassifier,
    OpenSetGANClassifier,
    RejectingClassifier,
    ScatteringResNetClassifier,
)
from sklearn_audio.semi_supervised import (
    CAEPretrainedClassifier,
    ConvAutoencoder,
    LabelEnhancingClassifier,
    MeanTeacherClassifier,
)
from sklearn_audio.transfer import (
    EmbeddingRegularizedClassifier,
    ReprogrammedClassifier,
)
from sklearn_audio.zero_shot import BilinearZeroShot, ConSEZeroShot

FEW = {"max_epochs": 2, "batch_size": 8, "random_state": 0}
SMALL = {"width": 2, **FEW}
GAN = {"first_stage": "convolution", "gan_width": 2, "latent_dim": 2, **SMALL}
TRAINED = [
    ScatteringResNetClassifier(first_stage="convolution", **SMALL),
    AugGANClassifier(lr_schedule=None, **GAN),
    OpenSetGANClassifier(
        outliers="generated", ensemble=False, rejection_rate=None, **GAN
    ),
    OpenSetGANClassifier(cv=2, rejection_rate=None, **GAN),
    CAEPretrainedClassifier(
        ConvAutoencoder(width=2, max_epochs=1, random_state=0),
        n_hidden=4,
        lr_encoder=1e-3,
        **FEW,
    ),
    EmbeddingRegularizedClassifier(**SMALL),
    ReprogrammedClassifier(backbone=None, input_transform=None, **FEW),
    MeanTeacherClassifier(**SMALL),
    ConvAutoencoder(**SMALL),
    BilinearZeroShot(solver="batch", **FEW),
    BilinearZeroShot(solver="warp", **FEW),
    ConvAutoencoderDetector(**SMALL),
    GMGANDetector(**SMALL),
    WaveNetDetector(n_layers=2, **SMALL),
]
OTHERS = [
    RejectingClassifier(LogisticRegression(), cv=2),
    AugmentingClassifier(
        LogisticRegression(), SpectrogramAugmenter(decibels_per_unit=40), random_state=0
    ),
    LabelEnhancingClassifier(LogisticRegression()),
    ConSEZeroShot(),
    BilinearZeroShot(),
    NearestNeighborsDetector(),
    FramedDetector(NearestNeighborsDetector(), 16),
    SpectrogramStatistics(),
]


def name_of(estimator):
    return str(estimator).replace("\n", "").replace(" ", "")[:70]


every_trained = pytest.mark.parametrize("estimator", TRAINED, ids=name_of)
every_other = pytest.mark.parametrize("estimator", OTHERS, ids=name_of)
either_start = pytest.mark.parametrize("warm_start", [True, False])


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    X = rng.normal(size=(24, 9, 8)).astype(np.float32)
    X[y == 1, 2:6] += 2
    return X, y


def data_for(estimator, clips):
    X, y = clips
    takes_rows = isinstance(
        estimator,
        RejectingClassifier
        | ConSEZeroShot
        | AugmentingClassifier
        | NearestNeighborsDetector
        | LabelEnhancingClassifier
        | FramedDetector,
    )
    return (X.reshape(len(X), -1) if takes_rows else X), y


def answers(estimator, X):
    names = ("decision_function", "transform", "score_samples", "predict")
    return [getattr(estimator, name)(X) for name in names if hasattr(estimator, name)]


def assert_same_answers(estimator, X, expected):
    for answer, wanted in zip(answers(estimator, X), expected, strict=True):
        np.testing.assert_array_equal(answer, wanted)


def weights_of(estimator):
    """Return the trained weights; a teacher's are the student's."""
    members = getattr(estimator, "estimators_", [estimator])
    return torch.cat(
        [
            weight.detach().flatten().clone()
            for member in members
            for name, module in member.modules_.items()
            if not (name == "module" and "student" in member.modules_)
            for weight in module.parameters()
        ]
    )


def rates_of(estimator):
    names = [name for name in estimator.get_params(deep=False) if name.startswith("lr")]
    idle = {"lr_schedule"}
    if getattr(estimator, "outliers", None) == "spliced":  # there is no game
        idle |= {"lr_generator", "lr_detector"}
    return [name for name in names if name not in idle]


@every_trained
def test_a_warm_start_goes_on_with_the_learning_rates_of_now(estimator, clips):
    X, y = data_for(estimator, clips)
    fitted = clone(estimator).set_params(warm_start=True).fit(X, y)
    tiny = dict.fromkeys(rates_of(estimator), 1e-12)
    before = weights_of(fitted)
    fitted.set_params(**tiny).fit(X, y)
    torch.testing.assert_close(weights_of(fitted), before, atol=1e-7, rtol=1e-6)
    for name in tiny:
        before = weights_of(fitted)
        fitted.set_params(**{**tiny, name: 0.01}).fit(X, y)
        assert (weights_of(fitted) - before).abs().max() > 1e-4, name


@every_trained
def test_a_warm_start_goes_on_with_the_batches_of_now(estimator, clips):
    X, y = data_for(estimator, clips)
    n_batches = []

    class Count(Callback):
        def on_batch_end(self, net, training, **_):
            n_batches.append(training)

    fitted = clone(estimator).set_params(warm_start=True)
    if hasattr(fitted, "contamination"):  # no batches of folds
        fitted.set_params(contamination=None)
    fitted.fit(X, y)
    fitted.set_params(batch_size=2, max_epochs=1, callbacks=[Count()])
    fitted.fit(X, y)
    assert len(n_batches) == 12  # of 24 clips, or twice 6 of the ensemble's halves


@pytest.mark.parametrize(
    "estimator",
    [e for e in TRAINED if "weight_decay" in e.get_params(deep=False)],
    ids=name_of,
)
def test_a_warm_start_goes_on_with_the_weight_decay_of_now(estimator, clips):
    if estimator.get_params().get("solver") == "warp":
        pytest.skip("the steps of warp are its own, without any decay")
    X, y = data_for(estimator, clips)
    fitted = clone(estimator).set_params(warm_start=True).fit(X, y)
    before = weights_of(fitted).norm()
    rates = dict.fromkeys(rates_of(estimator), 1e-5)
    # Each step multiplies the classifier's weights by 1 - lr * weight_decay = .5.
    fitted.set_params(weight_decay=5e4, max_epochs=1, **rates).fit(X, y)
    assert weights_of(fitted).norm() < 0.7 * before


def test_partial_fit_goes_on_with_the_settings_of_now(clips):
    X, y = clips
    classifier = clone(TRAINED[0]).partial_fit(X, y, classes=[0, 1])
    before = weights_of(classifier)
    classifier.set_params(lr=1e-12).partial_fit(X, y)
    torch.testing.assert_close(weights_of(classifier), before, atol=1e-7, rtol=1e-6)
    classifier.set_params(lr=0.01).partial_fit(X, y)
    assert (weights_of(classifier) - before).abs().max() > 1e-4
    with pytest.raises(ValueError, match="'lr' parameter"):
        classifier.set_params(lr=-1).partial_fit(X, y)


def test_a_game_is_not_gone_on_with_that_was_never_begun(clips):
    model = clone(TRAINED[2]).set_params(outliers=None, warm_start=True).fit(*clips)
    with pytest.raises(ValueError, match="warm_start=False to start anew"):
        model.set_params(outliers="generated").fit(*clips)


class Interrupt(Callback):
    """Let a training fail when its weights have changed already."""

    def on_epoch_end(self, net, **_):
        raise RuntimeError("the power went off")


@every_trained
@either_start
def test_a_training_that_fails_leaves_the_last_model(estimator, warm_start, clips):
    X, y = data_for(estimator, clips)
    fitted = clone(estimator).set_params(warm_start=warm_start).fit(X, y)
    history = copy.deepcopy(fitted.history_)
    expected = answers(fitted, X)
    fitted.set_params(callbacks=[Interrupt()], batch_size=4)
    with pytest.raises(RuntimeError, match="power"):
        fitted.fit(X + 1, 1 - y)
    assert_same_answers(fitted, X, expected)
    np.testing.assert_equal(fitted.history_, history)
    assert fitted.n_iter_ == len(history["train_loss"])
    # It trains on as if nothing had happened.
    undisturbed = clone(estimator).set_params(warm_start=warm_start).fit(X, y)
    fitted.set_params(callbacks=None, batch_size=estimator.batch_size)
    assert_same_answers(fitted.fit(X, y), X, answers(undisturbed.fit(X, y), X))


@every_trained
def test_a_first_training_that_fails_leaves_nothing(estimator, clips):
    X, y = data_for(estimator, clips)
    unfitted = clone(estimator).set_params(callbacks=[Interrupt()])
    with pytest.raises(RuntimeError, match="power"):
        unfitted.fit(X, y)
    assert vars(unfitted).keys() == unfitted.get_params(deep=False).keys()
    with pytest.raises(NotFittedError):
        check_is_fitted(unfitted)


@pytest.mark.parametrize("estimator", [*TRAINED, *OTHERS], ids=name_of)
def test_bad_clips_leave_the_last_model(estimator, clips):
    X, y = data_for(estimator, clips)
    fitted = clone(estimator).fit(X, y)
    expected = answers(fitted, X)
    bad = X[:, :-1].copy()
    bad[-1, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fitted.fit(bad, y)
    assert_same_answers(fitted, X, expected)


@pytest.mark.parametrize("estimator", [TRAINED[0], ConvAutoencoder(**SMALL)])
def test_partial_fit_on_one_clip(estimator, clips):
    X, y = clips
    is_classifier = hasattr(estimator, "class_weight")
    classes = {"classes": [0, 1]} if is_classifier else {}
    unfitted = clone(estimator)
    with pytest.raises(ValueError, match=r"at least 2 clips.*1 sample"):
        unfitted.partial_fit(X[:1], y[:1], **classes)
    with pytest.raises(NotFittedError):
        check_is_fitted(unfitted)
    fitted = unfitted.partial_fit(X, y, **classes)
    expected = answers(fitted, X)
    with pytest.raises(ValueError, match=r"at least 2 clips.*1 sample"):
        fitted.partial_fit(X[:1], y[:1])
    assert_same_answers(fitted, X, expected)


def test_one_clip_that_validation_leaves():
    X = np.random.default_rng(0).normal(size=(2, 4))
    detector = ConvAutoencoderDetector(
        validation_fraction=0.5, contamination=None, **SMALL
    )
    with pytest.raises(ValueError, match=r"validation_fraction=0.5 of 2 clips leaves"):
        detector.fit(X)
