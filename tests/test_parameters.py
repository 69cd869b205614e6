"""Every constructor parameter changes what is learned: none is ignored."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from torch import nn

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

TRAINING = {"batch_size": 8, "max_epochs": 2, "random_state": 0}
# What training has in common, and another value of each.
COMMON = {
    "batch_size": 12,
    "max_epochs": 3,
    "lr": 5e-3,
    "random_state": 1,
    "validation_fraction": 0.4,
}
# These change where or how training runs, or when it ends, and have tests of their own.
ELSEWHERE = {"callbacks", "device", "n_iter_no_change", "verbose", "warm_start"}


def shift(X, generator):
    return X + 3


def backbone():
    return nn.Sequential(nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten())


def small_autoencoder(width=2):
    return ConvAutoencoder(width=width, max_epochs=1, random_state=0)


# An estimator, other values of its parameters, and those that are tested elsewhere.
CASES = {
    "ConvAutoencoder": (
        ConvAutoencoder(width=2, objective="denoising", **TRAINING),
        COMMON
        | {
            "width": 3,
            "decoder": "transposed",
            "objective": "masked",
            "corruption": 0.9,
            "standardize": False,
            "batch_norm": False,
        },
        ELSEWHERE,
    ),
    "CAEPretrainedClassifier": (
        CAEPretrainedClassifier(small_autoencoder(), **TRAINING),
        COMMON
        | {
            "autoencoder": small_autoencoder(width=3),
            "pretrain": False,
            "freeze_encoder": True,
            "pooling": "statistics",
            "n_hidden": 5,
            "dropout": 0.1,
            "augmenter": shift,
            "mixup_alpha": 0.5,
            "label_smoothing": 0.2,
            "lr_encoder": 1e-4,
            "lr_schedule": None,
            "weight_decay": 0.3,
            "class_weight": "balanced",
        },
        ELSEWHERE,
    ),
    "MeanTeacherClassifier": (
        MeanTeacherClassifier(width=4, consistency=1.0, **TRAINING),
        COMMON
        | {
            "missing": "negative",
            "consistency": 3.0,
            "ramp_up": 0.0,
            "temperature": 0.9,
            "mixup": 0.3,
            "decay": 0.5,
            "noise": 0.9,
            "masked_share": 0.1,
            "width": 5,
            "dropout": 0.1,
            "lr_schedule": None,
            "weight_decay": 0.3,
            "threshold": 0.3,
        },
        {*ELSEWHERE, "cv"},
    ),
    "LabelEnhancingClassifier": (
        LabelEnhancingClassifier(LogisticRegression()),
        {
            "estimator": LogisticRegression(C=0.01),
            "missing": "negative",
            "masked_share": 0.9,
            "positive_share": 1.0,
            "guess_weight": 0.7,
            "threshold": 0.3,
        },
        {"cv", "random_state"},
    ),
    "EmbeddingRegularizedClassifier": (
        EmbeddingRegularizedClassifier(width=2, **TRAINING),
        COMMON
        | {
            "penalty": "dis",
            "weight": 0.6,
            "width": 3,
            "augmenter": shift,
            "lr_schedule": None,
            "weight_decay": 0.3,
            "class_weight": "balanced",
        },
        {*ELSEWHERE, "teachers"},
    ),
    "ReprogrammedClassifier": (
        ReprogrammedClassifier(backbone=backbone(), **TRAINING),
        COMMON
        | {
            "backbone": nn.Sequential(backbone(), nn.Tanh()),
            "input_transform": "cnn",
            "output_map": "linear",
            "lr_schedule": None,
            "weight_decay": 0.3,
            "class_weight": "balanced",
        },
        {*ELSEWHERE, "weights", "include_backbone"},
    ),
}


@pytest.fixture(scope="module")
def data():
    """Spectrograms, and the keywords of each estimator's ``fit``."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [5, 7, 12])
    X = rng.normal(-40, 4, size=(24, 12, 10)).astype(np.float32)
    X[np.arange(24), 3 * y] += 20
    table = np.eye(3, dtype=int)[y]
    table[rng.random(table.shape) < 0.5] = -1
    embeddings = rng.normal(size=(24, 5)) + y[:, None]
    keywords = {
        "MeanTeacherClassifier": {"y": table},
        "LabelEnhancingClassifier": {"y": table},
        "EmbeddingRegularizedClassifier": {"y": y, "embeddings": embeddings},
    }
    return X, lambda name: keywords.get(name, {"y": y})


@pytest.fixture(scope="module")
def learned(data):
    """Return a function that fits an estimator, and returns what it has learned."""
    X, keywords = data
    known = {}

    def fit(name, **changes):
        if not changes and name in known:
            return known[name]
        clips = X.reshape(len(X), -1) if name.startswith("LabelEnhancing") else X
        model = clone(CASES[name][0]).set_params(**changes)
        model.fit(clips, **keywords(name))
        known.setdefault(name, numbers_of(model))
        return numbers_of(model)

    return fit


def numbers_of(model):
    numbers = [getattr(model, "thresholds_", None), getattr(model, "transduction_", 0)]
    for network in getattr(model, "modules_", {}).values():
        numbers += [value.numpy() for value in network.state_dict().values()]
    for estimator in getattr(getattr(model, "estimator_", None), "estimators_", []):
        numbers.append(estimator and estimator.coef_)
    return numbers


@pytest.mark.parametrize("name", CASES)
def test_every_parameter_is_listed(name):
    estimator, values, elsewhere = CASES[name]
    parameters = estimator.get_params(deep=False)
    assert parameters.keys() == values.keys() | elsewhere
    for parameter, value in values.items():
        assert parameters[parameter] is not value, parameter


@pytest.mark.parametrize(
    ("name", "parameter"), [(n, p) for n, case in CASES.items() for p in case[1]]
)
def test_every_parameter_has_an_effect(name, parameter, learned):
    before = learned(name)
    after = learned(name, **{parameter: CASES[name][1][parameter]})
    assert not (
        len(before) == len(after) and all(map(np.array_equal, before, after))
    ), f"{name} ignores {parameter}"
