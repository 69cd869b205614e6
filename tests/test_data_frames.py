"""Every transformer of the package in pipelines whose output is set to data frames."""

import importlib
import pickle
import pkgutil

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import soundfile
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_audio
from sklearn_audio._data_frames import NamedArray
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    PretrainedEmbedding,
    SpectrogramStatistics,
)
from sklearn_audio.semi_supervised import CAEPretrainedClassifier, ConvAutoencoder
from sklearn_audio.zero_shot import LabelEmbedding

RATE = 2000
N_CLIPS = 12
WORDS = {"low": [1.0, 0.0], "high": [0.5, -1.0]}


class Energies(torch.nn.Module):
    """Stands in for a published network: three values per window."""

    sample_rate = RATE
    window = hop = 0.1
    min_samples = 1

    def forward(self, waveforms):
        squares = waveforms.square()
        return torch.stack([squares.mean(1), squares.amax(1), waveforms.mean(1)], 1)


def load(**parameters):
    return AudioLoader(RATE, **{"duration": 0.4} | parameters)


def log_mel(**parameters):
    return LogMelSpectrogram(
        RATE, n_fft=128, hop_length=40, n_mels=16, fmin=20, **parameters
    )


def embed(pooling):
    return PretrainedEmbedding(
        Energies(), sample_rate=RATE, pooling=pooling, device="cpu"
    )


def autoencoder():
    return ConvAutoencoder(width=2, max_epochs=1, random_state=0)


# What ends a pipeline from paths to a table, and the names of its columns.
BANDS = [f"mel{band}" for band in range(16)]
TABLES = {
    "waveforms": ([load()], [f"audioloader{i}" for i in range(800)]),
    "flat": (
        [load(), log_mel(flatten=True)],
        [f"{band}_frame{frame}" for band in BANDS for frame in range(21)],
    ),
    "statistics": (
        [load(), log_mel(), SpectrogramStatistics(("mean", "std"))],
        [f"{band}_mean" for band in BANDS] + [f"{band}_std" for band in BANDS],
    ),
    "ragged": (
        [load(duration=None), log_mel(n_frames=30), SpectrogramStatistics(["std"])],
        [f"{band}_std" for band in BANDS],
    ),
    "embedding": (
        [load(), embed("mean_std")],
        [f"embedding{i}_{s}" for s in ("mean", "std") for i in range(3)],
    ),
    "windows": (
        [load(), embed(None), SpectrogramStatistics(["max"])],
        [f"embedding{i}_max" for i in range(3)],
    ),
    "ragged embedding": (
        [load(duration=None), embed("mean")],
        [f"embedding{i}_mean" for i in range(3)],
    ),
    "codes": (
        [load(), log_mel(), autoencoder()],
        [f"convautoencoder{i}" for i in range(2 * 2 * 2)],
    ),
    "codes of statistics": (
        [load(), log_mel(), SpectrogramStatistics(), StandardScaler(), autoencoder()],
        [f"convautoencoder{i}" for i in range(2 * 6)],
    ),
}
every_table = pytest.mark.parametrize(
    ("steps", "names"), TABLES.values(), ids=TABLES.keys()
)


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """Paths and levels of noises, in an order that their index does not tell."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("noises")
    levels = rng.permutation(N_CLIPS) + 1.0
    paths = [str(folder / f"{level:.0f}.wav") for level in levels]
    for path, level in zip(paths, levels, strict=True):
        noise = rng.uniform(-1, 1, rng.integers(900, 1000)) * level / N_CLIPS
        soundfile.write(path, noise, RATE)
    kinds = np.where(levels > N_CLIPS / 2, "high", "low")
    # The index holds the numbers from 0 on, as rows drawn from a table do.
    index = rng.permutation(N_CLIPS)
    return pd.DataFrame({"path": paths, "level": levels, "kind": kinds}, index=index)


def test_no_transformer_is_missing_here():
    packages = [
        importlib.import_module(f"sklearn_audio.{module.name}")
        for module in pkgutil.iter_modules(sklearn_audio.__path__)
        if module.ispkg and not module.name.startswith("_")
    ]
    public = {
        member
        for package in packages
        for member in (getattr(package, name) for name in package.__all__)
        if isinstance(member, type) and hasattr(member, "transform")
    }
    tested = {type(step) for steps, _ in TABLES.values() for step in steps}
    assert public == (tested - {StandardScaler}) | {LabelEmbedding}


@every_table
def test_pipeline_delivers_a_table_with_names(steps, names, frame):
    expected = make_pipeline(*steps).fit(frame["path"])
    assert list(expected.get_feature_names_out()) == names
    pipeline = make_pipeline(*map(clone, steps)).set_output(transform="pandas")
    fitted = pipeline.fit_transform(frame["path"])
    for table in (fitted, pipeline.transform(frame["path"])):
        assert list(table.columns) == names
        assert list(table.index) == list(frame.index)
        np.testing.assert_array_equal(table, expected.transform(frame["path"]))
    for named in (pipeline, pipeline[-1]):
        assert list(named.get_feature_names_out()) == names


@every_table
def test_lists_become_tables_without_an_index(steps, names, frame):
    pipeline = make_pipeline(*map(clone, steps)).set_output(transform="pandas")
    table = pipeline.fit_transform(list(frame["path"]))
    assert list(table.columns) == names
    assert list(table.index) == list(range(N_CLIPS))


@every_table
def test_column_transformer_joins_rows_of_the_same_clip(steps, names, frame):
    columns = ColumnTransformer(
        [("audio", make_pipeline(*map(clone, steps)), "path")],
        remainder="passthrough",
    )
    expected = clone(columns).fit_transform(frame)
    columns.set_output(transform="pandas").fit(frame)
    # A part of the table in another order, as in cross-validation.
    part = frame.iloc[[7, 2, 9]]
    for rows, table in (
        (range(N_CLIPS), columns.fit_transform(frame)),
        ([7, 2, 9], columns.transform(part)),
    ):
        assert len(table) == len(rows)
        assert list(table.columns[: len(names)]) == [f"audio__{n}" for n in names]
        assert list(columns.get_feature_names_out()) == list(table.columns)
        np.testing.assert_array_equal(table, expected[rows])


def test_feature_union_puts_tables_side_by_side(frame):
    union = FeatureUnion(
        [("statistics", SpectrogramStatistics(["std"])), ("codes", autoencoder())]
    )
    pipeline = make_pipeline(load(), log_mel(), union).set_output(transform="pandas")
    table = pipeline.fit_transform(frame["path"])
    names = [f"statistics__{band}_std" for band in BANDS]
    names += [f"codes__convautoencoder{i}" for i in range(8)]
    assert list(table.columns) == list(pipeline.get_feature_names_out()) == names
    assert list(table.index) == list(frame.index)


def test_column_of_labels_becomes_vectors(frame):
    columns = ColumnTransformer(
        [("kind", LabelEmbedding(WORDS), "kind"), ("rest", "passthrough", ["level"])]
    ).set_output(transform="pandas")
    table = columns.fit_transform(frame)
    assert list(table.columns) == list(columns.get_feature_names_out())
    assert table.columns[1] == "kind__labelembedding1"
    is_high = table["rest__level"] > N_CLIPS / 2
    np.testing.assert_array_equal(table["kind__labelembedding1"] < 0, is_high)


@pytest.mark.parametrize(
    ("steps", "n_axes", "names"),
    [
        ([load(), log_mel(scaling="standardize")], 3, BANDS),
        ([load(), embed(None)], 3, ["embedding0", "embedding1", "embedding2"]),
        ([load(duration=None)], 1, ["audioloader0"]),
    ],
    ids=["spectrograms", "windows", "ragged"],
)
def test_arrays_that_are_no_tables_pass_as_they_are(steps, n_axes, names, frame):
    expected = make_pipeline(*steps).fit_transform(frame["path"])
    assert type(expected) is np.ndarray
    pipeline = make_pipeline(*steps).set_output(transform="pandas")
    fitted = pipeline.fit_transform(frame["path"])
    for arrays in (fitted, pipeline.transform(frame["path"])):
        assert isinstance(arrays, np.ndarray)
        assert arrays.ndim == n_axes
        assert arrays.dtype == expected.dtype
        for array, same in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(array, same)
    assert list(pipeline.get_feature_names_out()) == names


def test_polars_frames_have_the_same_names(frame):
    pytest.importorskip("polars", reason="polars is not installed")
    steps, names = TABLES["statistics"]
    pipeline = make_pipeline(*map(clone, steps)).set_output(transform="polars")
    assert pipeline.fit_transform(list(frame["path"])).columns == names


def test_global_setting_holds_and_can_be_set_back(frame):
    with sklearn.config_context(transform_output="pandas"):
        table = make_pipeline(load(), log_mel(), SpectrogramStatistics()).fit_transform(
            frame["path"]
        )
        array = make_pipeline(load(), log_mel()).set_output(transform="default")
        assert type(array.fit_transform(frame["path"])) is np.ndarray
    assert table.columns[0] == "mel0_mean"
    step = log_mel().set_output(transform="pandas")
    assert step.set_output() is step
    assert isinstance(step.fit_transform(np.ones((2, 800))), NamedArray)
    step.set_output(transform="default")
    assert type(step.fit_transform(np.ones((2, 800)))) is np.ndarray


def test_clones_and_dumps_keep_the_setting(frame):
    pipeline = make_pipeline(load(), log_mel(), SpectrogramStatistics())
    pipeline.set_output(transform="pandas").fit(frame["path"])
    loaded = pickle.loads(pickle.dumps(pipeline))  # noqa: S301
    table = pipeline.transform(frame["path"])
    pd.testing.assert_frame_equal(loaded.transform(frame["path"]), table)
    pd.testing.assert_frame_equal(clone(pipeline).fit_transform(frame["path"]), table)


def test_cached_spectrograms_keep_names_and_index(frame, tmp_path):
    steps = [("load", load()), ("log_mel", log_mel()), ("codes", autoencoder())]
    memory = joblib.Memory(tmp_path, verbose=0)
    tables = []
    for statistics in ("mean", "std"):  # the second time, spectrograms are read
        steps[2] = ("statistics", SpectrogramStatistics([statistics]))
        pipeline = Pipeline(steps, memory=memory).set_output(transform="pandas")
        tables.append(pipeline.fit_transform(frame["path"]))
    assert [table.columns[3] for table in tables] == ["mel3_mean", "mel3_std"]
    assert list(tables[1].index) == list(frame.index)


def test_parts_of_a_named_array_have_no_names():
    array = np.ones((3, 2, 4)).view(NamedArray)
    array.index, array.names = [5, 6, 7], np.array(["a", "b"])
    for other in (array[:2], array + 1, array.copy()):
        assert other.index is None
        assert other.names is None


def test_steps_of_scikit_learn_keep_the_names(frame):
    pipeline = make_pipeline(
        load(),
        log_mel(),
        SpectrogramStatistics(["mean"]),
        StandardScaler(),
        SelectKBest(k=3),
    ).set_output(transform="pandas")
    table = pipeline.fit_transform(frame["path"], frame["kind"])
    kept = pipeline[-1].get_support(indices=True)
    assert list(table.columns) == [f"mel{band}_mean" for band in kept]
    assert list(pipeline[-1].feature_names_in_) == [f"{band}_mean" for band in BANDS]


def test_classifiers_of_spectrograms_end_such_pipelines(frame):
    classifier = CAEPretrainedClassifier(
        autoencoder(), n_hidden=4, augmenter=None, max_epochs=2, random_state=0
    )
    predicted = [
        make_pipeline(load(), log_mel(), clone(classifier))
        .set_output(transform=container)
        .fit(frame["path"], frame["kind"])
        .predict_proba(frame["path"])
        for container in ("default", "pandas")
    ]
    np.testing.assert_array_equal(*predicted)
