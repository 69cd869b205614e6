"""Networks that reconstruct nothing are reported, and others are not."""

import re
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_audio._torch._clip_networks import Encoder, Generator
from sklearn_audio.anomaly import ConvAutoencoderDetector, GMGANDetector

SMALL = {
    "width": 4,
    "lr": 3e-3,
    "batch_size": 16,
    "with_centering": False,
    "contamination": None,
    "random_state": 0,
}
DETECTORS = [
    ConvAutoencoderDetector(latent_dim=3, **SMALL),
    GMGANDetector(latent_dim=3, n_components=2, **SMALL),
]
N_EPOCHS = 40  # of three steps with 40 clips
WORSE = "{} are worse than the mean of the training clips"


def name_of(detector):
    return type(detector).__name__


every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=name_of)


@pytest.fixture(scope="module")
def clips():
    """Pictures of a bar that lies at one of three heights, in noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(0, 0.3, size=(40, 12, 16)).astype(np.float32)
    for row in range(40):
        X[row, 3 * (row % 3) : 3 * (row % 3) + 4] += 4
    return X


@pytest.fixture
def untrained(monkeypatch):
    """Cut the decoders off from what would train them."""
    forward = Generator.forward

    def without_gradients(self, z):
        return forward(self, z).detach() + 0 * z.mean()

    monkeypatch.setattr(Generator, "forward", without_gradients)


@every_detector
def test_a_healthy_detector_is_not_reported(detector, clips):
    fitted = clone(detector).set_params(max_epochs=N_EPOCHS).fit(clips)
    errors = [
        np.abs(clips - copies).mean()
        for copies in (fitted.reconstruct(clips), clips.mean(axis=0))
    ]
    assert errors[0] < errors[1]


@every_detector
@pytest.mark.parametrize("odd", [False, True], ids=["all alike", "an odd clip"])
def test_reconstructions_worse_than_the_mean_are_reported(
    detector, clips, untrained, odd
):
    X = clips.copy()
    if odd:
        X[0, 0, 0] = 1e9  # too few values to count for the scale
    model = clone(detector).set_params(max_epochs=N_EPOCHS)
    with pytest.warns(ConvergenceWarning, match=WORSE.format(name_of(detector))) as log:
        fitted = model.fit(X)
    assert len(log) == 1
    assert "random_state" in str(log[0].message)
    if not odd:
        numbers = map(float, re.findall(r"0\.\d+", str(log[0].message)))
        low, high = np.quantile(X, [0.001, 0.999])
        scaled, copies = (
            np.clip((x - (low + high) / 2) / ((high - low) / 2), -1, 1)
            for x in (X, fitted.reconstruct(X))
        )
        expected = [np.abs(scaled - other).mean() for other in (copies, scaled.mean(0))]
        assert list(numbers) == pytest.approx(expected, rel=0.01)


@every_detector
def test_after_a_few_steps_bad_reconstructions_are_no_collapse(
    detector, clips, untrained
):
    clone(detector).set_params(max_epochs=N_EPOCHS // 2).fit(clips)  # 60 steps
    again = clone(detector).set_params(max_epochs=N_EPOCHS // 2, warm_start=True)
    again.fit(clips)
    with pytest.warns(ConvergenceWarning, match=WORSE.format(name_of(detector))):
        again.fit(clips)  # 120 in all


@every_detector
def test_a_decoder_that_makes_one_clip_is_reported_at_once(
    detector, clips, monkeypatch
):
    forward = Generator.forward

    def constant(self, z):
        return 0 * forward(self, z) + 0.1

    monkeypatch.setattr(Generator, "forward", constant)
    model = clone(detector).set_params(max_epochs=2)
    message = f"The decoder of {name_of(detector)} has collapsed"
    with pytest.warns(ConvergenceWarning, match=message):
        model.fit(clips)


@every_detector
def test_an_encoder_that_makes_one_vector_is_reported_once(
    detector, clips, monkeypatch
):
    forward = Encoder.forward
    monkeypatch.setattr(Encoder, "forward", lambda self, x: 1e-6 * forward(self, x) + 1)
    model = clone(detector).set_params(max_epochs=2)
    message = f"The encoder of {name_of(detector)} has collapsed"
    with pytest.warns(ConvergenceWarning, match=message) as log:
        model.fit(clips)
    assert [warning.filename for warning in log] == [__file__]


@every_detector
@pytest.mark.parametrize(
    "make",
    [
        lambda X: np.full_like(X, 3.0),
        lambda X: np.repeat(X[:1], len(X), axis=0),
        lambda X: 1e-30 * X,
        lambda X: X[:2],
        lambda X: np.random.default_rng(0).normal(size=X.shape),
    ],
    ids=["constant", "duplicates", "tiny values", "two clips", "noise"],
)
def test_healthy_detectors_of_odd_clips_are_not_reported(detector, clips, make):
    X = make(clips)
    n_steps = -(-len(X) // detector.batch_size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(detector).set_params(max_epochs=-(-120 // n_steps)).fit(X)


@every_detector
def test_levels_that_centring_takes_away_do_not_count(detector, clips):
    levels = np.random.default_rng(0).normal(0, 20, size=(len(clips), 12, 1))
    X = np.ones_like(clips) * levels
    clone(detector).set_params(max_epochs=N_EPOCHS, with_centering=True).fit(X)
