"""The WaveNet against slow loops, closed forms and toys with known answers."""

import joblib
import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.anomaly import WaveNetDetector

TINY = {"n_layers": 3, "width": 4, "max_epochs": 2, "lr": 1e-2, "random_state": 0}


def make_clips(shape, n_clips=12, random_state=0):
    rng = np.random.default_rng(random_state)
    X = 3 + np.cumsum(rng.normal(size=(n_clips, *shape)), axis=-1)
    return X.astype(np.float32)


def make_autoregressive(coefficients, n_clips, n_samples=100, random_state=0):
    """Stationary rows of an AR process whose innovations have variance 1."""
    rng = np.random.default_rng(random_state)
    innovations = rng.normal(size=(n_clips, n_samples + 200))
    return lfilter([1], [1, *np.negative(coefficients)], innovations)[:, 200:]


def slow_wavenet(weights, x, kernel_size, n_layers):
    """Predict each frame, frame by frame, by van den Oord's equations: (F, T)."""
    n_frames = x.shape[1]
    width = len(weights["input.bias"])

    def linear(name, v):
        return weights[f"{name}.weight"][:, :, 0] @ v + weights[f"{name}.bias"]

    before = [np.zeros(len(x)), *x.T[:-1]]
    h = [linear("input", v) for v in before]
    skips = np.zeros((n_frames, width))
    for layer in range(n_layers):
        filters = weights[f"layers.{layer}.dilated.weight"]  # (2C, C, k)
        residuals = []
        for t in range(n_frames):
            pre = weights[f"layers.{layer}.dilated.bias"].astype(float)
            for tap in range(kernel_size):
                past = t - tap * 2**layer
                if past >= 0:
                    pre = pre + filters[:, :, kernel_size - 1 - tap] @ h[past]
            gated = np.tanh(pre[:width]) * expit(pre[width:])
            both = linear(f"layers.{layer}.mixed", gated)
            residuals.append(both[:width])
            skips[t] += both[width:]
        h = [v + residual for v, residual in zip(h, residuals, strict=True)]
    hidden = [linear("output.1", np.maximum(v, 0)) for v in skips]
    return np.stack([linear("output.3", np.maximum(v, 0)) for v in hidden], axis=1)


# Casting what the checks put into X on purpose, infinity and NaN, to float32.
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
def test_passes_every_check_of_scikit_learn():
    results = check_estimator(WaveNetDetector(**TINY), on_fail=None, on_skip=None)
    not_passed = {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] != "passed"
    }
    assert not not_passed
    assert len(results) >= 45


@pytest.mark.parametrize("kernel_size", [2, 3])
@pytest.mark.parametrize("shape", [(3, 20), (3, 5), (3, 1), (20,), (1,)])
def test_equals_a_slow_loop(shape, kernel_size):
    """Clips shorter than the receptive field of 8 or 15, and of one frame, too."""
    X = make_clips(shape)
    detector = WaveNetDetector(kernel_size=kernel_size, **TINY).fit(X)
    weights = detector.modules_["module"].state_dict()
    weights = {name: value.numpy() for name, value in weights.items()}
    bands = X.reshape(len(X), -1, shape[-1]).astype(float)
    mean = bands.mean(axis=(0, 2))[:, None]
    scale = bands.std(axis=(0, 2))[:, None]
    expected = [
        ((z - slow_wavenet(weights, z, kernel_size, n_layers=3)) ** 2).mean(axis=0)
        for z in (bands - mean) / scale
    ]
    errors = detector.prediction_errors(X)
    assert errors.shape == (len(X), shape[-1])
    np.testing.assert_allclose(errors, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        detector.score_samples(X), [-sum(e) / len(e) for e in expected], rtol=1e-4
    )
    np.testing.assert_allclose(
        detector.set_params(familiarity="max").score_samples(X),
        [-max(e) for e in expected],
        rtol=1e-4,
    )


@pytest.mark.parametrize(("kernel_size", "n_layers"), [(2, 1), (2, 4), (3, 3)])
def test_a_prediction_depends_on_the_receptive_field_alone(kernel_size, n_layers):
    X = make_clips((3, 40))
    sizes = {"kernel_size": kernel_size, "n_layers": n_layers, "width": 8}
    detector = WaveNetDetector(**{**TINY, **sizes}).fit(X)
    reach = detector.receptive_field_
    network = detector.modules_["module"].double()
    for t in (0, 1, 33):
        x = torch.tensor(X[:1], dtype=torch.float64, requires_grad=True)
        network(x)[0, :, t].square().sum().backward()
        seen = np.flatnonzero(x.grad[0].abs().sum(dim=0))
        np.testing.assert_array_equal(seen, np.arange(max(t - reach, 0), t))


def test_the_future_does_not_change_errors_of_the_past():
    X = make_clips((3, 20))
    detector = WaveNetDetector(**TINY).fit(X)
    changed = X.copy()
    changed[:, :, 9:] += 50
    before, after = (detector.prediction_errors(x) for x in (X, changed))
    np.testing.assert_array_equal(before[:, :9], after[:, :9])
    assert (before[:, 9] != after[:, 9]).all()


def test_the_error_is_the_innovation_of_an_autoregressive_process():
    """No predictor has a smaller one, and the process varies 13 times as much."""
    X = make_autoregressive([1.6, -0.8], 80)
    detector = WaveNetDetector(
        n_layers=2, width=8, max_epochs=60, batch_size=16, lr=1e-2, random_state=0
    ).fit(X)
    X_new = make_autoregressive([1.6, -0.8], 100, random_state=1)
    errors = detector.prediction_errors(X_new) * detector.scale_**2
    assert X_new.var() > 10
    assert 0.95 < errors[:, detector.receptive_field_ :].mean() < 1.15

    # The same variance, and the mirrored spectrum.
    X_foreign = make_autoregressive([-1.6, -0.8], 100, random_state=2)
    X_both, y = np.concatenate([X_new, X_foreign]), np.repeat([1, 0], 100)
    assert 0.35 < roc_auc_score(y, X_both.var(axis=1)) < 0.65
    assert roc_auc_score(y, detector.score_samples(X_both)) > 0.99


def test_frames_in_reverse_order_are_foreign():
    """Statistics over time, with which anomalies are found as well, are the same."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 8, size=(120, 1, 1))
    bands, frames = np.arange(8)[:, None], np.arange(16)
    X = 3.0 * ((starts + frames) % 8 == bands) + rng.normal(size=(120, 8, 16))
    train, new = X[:60], X[60:]
    detector = WaveNetDetector(**{**TINY, "width": 16, "max_epochs": 50}).fit(train)
    both = np.concatenate([new, new[:, :, ::-1]])
    y = np.repeat([1, 0], 60)
    assert roc_auc_score(y, detector.score_samples(both)) > 0.95


def test_the_largest_error_finds_a_bang_that_is_lost_in_the_mean():
    rng = np.random.default_rng(0)
    train, new = rng.normal(size=(2, 100, 1000))
    onsets = rng.integers(1000, size=50)
    new[np.arange(50), onsets] = 6
    y = np.repeat([0, 1], 50)
    detector = WaveNetDetector(**{**TINY, "n_layers": 2}).fit(train)
    areas = {
        familiarity: roc_auc_score(
            y, detector.set_params(familiarity=familiarity).score_samples(new)
        )
        for familiarity in ("mean", "max")
    }
    assert areas["max"] > 0.95
    assert areas["mean"] < 0.85
    errors = detector.prediction_errors(new[:50])
    assert np.mean(errors.argmax(axis=1) == onsets) > 0.95


def test_bands_are_standardised():
    X = make_clips((4, 10))
    X[:, 2] = 0.1
    detector = WaveNetDetector(**TINY).fit(X)
    rows = np.moveaxis(X, 1, 2).reshape(-1, 4)
    scaler = StandardScaler().fit(rows.astype(float))
    np.testing.assert_allclose(detector.mean_, scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(detector.scale_, scaler.scale_, rtol=1e-6)
    assert detector.scale_[2] == 1


def test_a_band_of_denormal_numbers_is_constant():
    X = make_clips((3, 10))
    X[:, 1] *= 1e-41
    detector = WaveNetDetector(**TINY).fit(X)
    assert 0 < np.ptp(X[:, 1]) < np.finfo(np.float32).tiny
    assert detector.scale_[1] == 1
    assert np.isfinite(detector.score_samples(X)).all()


def test_units_of_the_bands_do_not_matter():
    X = make_clips((3, 10))
    factors = np.float32([0.25, 1, 1024])[:, None]  # exact in binary
    first, second = (WaveNetDetector(**TINY).fit(x) for x in (X, factors * X))
    np.testing.assert_array_equal(
        first.score_samples(X), second.score_samples(factors * X)
    )


def test_warm_start_keeps_the_standardisation():
    X = make_clips((3, 10))
    detector = WaveNetDetector(warm_start=True, **TINY).fit(X)
    mean = detector.mean_.copy()
    np.testing.assert_array_equal(detector.fit(X + 1).mean_, mean)


def test_same_seed_same_model_and_a_dump_scores_the_same(tmp_path):
    X = make_clips((3, 20))
    first, second = (WaveNetDetector(**TINY).fit(X) for _ in range(2))
    errors = first.prediction_errors(X)
    np.testing.assert_array_equal(second.prediction_errors(X), errors)
    joblib.dump(first, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.prediction_errors(X), errors)
    np.testing.assert_array_equal(loaded.predict(X), first.predict(X))
    other = WaveNetDetector(**{**TINY, "random_state": 1}).fit(X)
    assert (other.prediction_errors(X) != errors).any()


@pytest.mark.parametrize("shape", [(3, 50), (300,)])
def test_scores_do_not_depend_on_the_other_rows(shape):
    X = make_clips(shape, n_clips=40)
    detector = WaveNetDetector(**TINY).fit(X)
    together = detector.score_samples(X)
    for rows in ([3], [39, 3], list(range(39, -1, -1))):
        np.testing.assert_array_equal(detector.score_samples(X[rows]), together[rows])


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_layers", 0), ("kernel_size", 1), ("width", 0), ("familiarity", "median")],
)
def test_bad_parameters(name, value):
    detector = WaveNetDetector(**{**TINY, name: value})
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        detector.fit(make_clips((3, 10)))


def test_prediction_errors_check_their_clips():
    X = make_clips((3, 10))
    detector = WaveNetDetector(**TINY)
    with pytest.raises(ValueError, match="not fitted yet"):
        detector.prediction_errors(X)
    with pytest.raises(ValueError, match="fitted on clips of shape"):
        detector.fit(X).prediction_errors(X[:, :, :-1])
