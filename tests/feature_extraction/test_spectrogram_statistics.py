"""SpectrogramStatistics: equal to plain loops, and named in order."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.feature_extraction import SpectrogramStatistics

ALL = ("mean", "std", "delta_std", "min", "max", "median")

spectrograms = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 9)),
    elements=st.floats(-100, 100, width=32),
)


def slow_std(values):
    mean = sum(values) / len(values)
    return (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5


def slow_statistics(band):
    """Return what each statistic is, written out for one band of one clip."""
    values = [float(value) for value in band]
    steps = [b - a for a, b in pairwise(values)]
    ordered = sorted(values)
    middle = len(values) // 2
    return {
        "mean": sum(values) / len(values),
        "std": slow_std(values),
        "delta_std": slow_std(steps) if steps else 0.0,
        "min": ordered[0],
        "max": ordered[-1],
        "median": ordered[middle]
        if len(values) % 2
        else (ordered[middle - 1] + ordered[middle]) / 2,
    }


@pytest.mark.parametrize(
    "transformer",
    [SpectrogramStatistics(), SpectrogramStatistics(statistics=list(ALL))],
    ids=["default", "all"],
)
def test_scikit_learn_checks(transformer):
    results = check_estimator(transformer)
    assert len(results) >= 45
    assert {result["status"] for result in results} == {"passed"}


@given(X=spectrograms, statistics=st.permutations(ALL), count=st.integers(1, 6))
def test_columns_equal_a_plain_loop_and_are_named(X, statistics, count):
    transformer = SpectrogramStatistics(statistics[:count])
    table = transformer.fit_transform(X)
    names = transformer.get_feature_names_out()
    assert table.dtype == np.float32
    assert table.shape == (len(X), count * X.shape[1]) == (len(X), len(names))
    for row, clip in zip(table, X, strict=True):
        for value, name in zip(row, names, strict=True):
            band, _, statistic = name.removeprefix("band").partition("_")
            expected = slow_statistics(clip[int(band)])[statistic]
            assert value == pytest.approx(expected, rel=1e-5, abs=1e-4)


@given(X=spectrograms)
def test_a_clip_has_the_same_bits_alone_and_in_any_layout(X):
    transformer = SpectrogramStatistics(ALL)
    table = transformer.fit_transform(X)
    np.testing.assert_array_equal(transformer.transform(X[:1]), table[:1])
    np.testing.assert_array_equal(transformer.transform(np.asfortranarray(X)), table)
    np.testing.assert_array_equal(transformer.transform(X.astype(float)), table)


def test_batches_are_joined_in_order(monkeypatch):
    X = np.random.default_rng(0).normal(size=(7, 3, 5))
    whole = SpectrogramStatistics().fit_transform(X)
    monkeypatch.setattr(
        "sklearn_audio.feature_extraction._spectrogram_statistics._BATCH_VALUES", 2 * 15
    )
    np.testing.assert_array_equal(SpectrogramStatistics().fit_transform(X), whole)


def test_two_dimensions_are_one_frame_per_clip():
    X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    table = SpectrogramStatistics(("mean", "std", "delta_std", "max")).fit_transform(X)
    zeros = np.zeros_like(X)
    np.testing.assert_array_equal(table, np.concatenate([X, zeros, zeros, X], axis=1))


def test_whole_numbers_do_not_wrap_around():
    X = np.array([[[200, 100, 200, 100]]], dtype=np.uint8)
    table = SpectrogramStatistics(("delta_std",)).fit_transform(X)
    assert table[0, 0] == pytest.approx(np.std([-100, 100, -100]))


def test_names_of_columns_are_kept():
    frame = pd.DataFrame({"low": [1.0, 2.0], "high": [3.0, 4.0]}, index=["a", "b"])
    transformer = SpectrogramStatistics(("mean", "std")).set_output(transform="pandas")
    table = transformer.fit_transform(frame)
    assert list(table.columns) == ["low_mean", "high_mean", "low_std", "high_std"]
    assert list(table.index) == ["a", "b"]


def test_names_need_a_fit():
    with pytest.raises(NotFittedError):
        SpectrogramStatistics().get_feature_names_out()


def test_transform_needs_no_fit():
    X = np.ones((2, 3, 4))
    np.testing.assert_array_equal(
        SpectrogramStatistics().transform(X), SpectrogramStatistics().fit_transform(X)
    )


def test_clones_and_pickles_transform_the_same():
    X = np.random.default_rng(0).normal(size=(4, 3, 6))
    transformer = SpectrogramStatistics(ALL).fit(X)
    for copy in (clone(transformer), pickle.loads(pickle.dumps(transformer))):  # noqa: S301
        np.testing.assert_array_equal(copy.transform(X), transformer.transform(X))


@pytest.mark.parametrize("statistics", [("mean", "mode"), [], (), "mean", None, (1,)])
def test_unknown_statistics_are_refused(statistics):
    for method in ("fit", "transform"):
        with pytest.raises(ValueError, match="statistics"):
            getattr(SpectrogramStatistics(statistics), method)(np.ones((2, 3, 4)))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(4), "2D array"),
        (np.ones((2, 3, 0)), r"shape \(2, 3, 0\)"),
        (np.ones((2, 0, 3)), r"shape \(2, 0, 3\)"),
        (np.ones((0, 2, 3)), "0 sample"),
        (np.ones((2, 3, 4, 5)), r"shape \(2, 3, 4, 5\)"),
        (np.full((2, 3, 4), np.nan), "NaN"),
    ],
)
def test_bad_input_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        SpectrogramStatistics().fit(X)


def test_another_number_of_bands_than_in_fit_is_refused():
    transformer = SpectrogramStatistics().fit(np.ones((2, 3, 4)))
    assert transformer.transform(np.ones((2, 3, 9))).shape == (2, 9)
    with pytest.raises(ValueError, match="X has 5 features"):
        transformer.transform(np.ones((2, 5, 4)))
