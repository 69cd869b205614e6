"""The front end as one: in pipelines, column transformers, searches and dumps."""

import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)

N_CLIPS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tones")


@pytest.fixture(scope="module")
def labels():
    return np.array(["low", "high"] * (N_CLIPS // 2))


@pytest.fixture(scope="module")
def paths(folder, labels):
    """Write tones of two pitches, of lengths between 0.2 and 0.6 seconds."""
    rng = np.random.default_rng(0)
    files = []
    for index, label in enumerate(labels):
        pitch = rng.uniform(200, 300) if label == "low" else rng.uniform(900, 1100)
        time = np.arange(rng.integers(1600, 4800)) / 8000
        tone = 0.3 * np.sin(2 * np.pi * pitch * time) + rng.normal(0, 0.01, time.size)
        files.append(str(folder / f"{index}.wav"))
        soundfile.write(files[-1], tone, 8000)
    return files


def front_end(**log_mel):
    return [
        ("load", AudioLoader(8000, duration=0.5)),
        ("log_mel", LogMelSpectrogram(8000, n_fft=256, n_mels=16, **log_mel)),
    ]


def classifier(**pipeline):
    steps = [
        *front_end(),
        ("statistics", SpectrogramStatistics()),
        ("scale", StandardScaler()),
        ("classify", LogisticRegression()),
    ]
    return Pipeline(steps, **pipeline)


def test_ragged_clips_pass_between_the_steps(paths):
    ragged = make_pipeline(
        AudioLoader(8000, duration=None),
        LogMelSpectrogram(8000, n_fft=256, n_mels=16, n_frames=40),
    )
    assert ragged.fit_transform(paths).shape == (N_CLIPS, 16, 40)


def test_pipeline_with_memory_loads_and_transforms_once(paths, labels, tmp_path):
    memory = joblib.Memory(tmp_path / "cache", verbose=0)
    predicted = classifier().fit(paths, labels).predict(paths)
    cached = classifier(memory=memory).fit(paths, labels)
    assert list(cached.predict(paths)) == list(predicted)
    again = classifier(memory=memory).set_params(classify__C=0.5).fit(paths, labels)
    np.testing.assert_array_equal(again["scale"].mean_, cached["scale"].mean_)
    n_cached = len(list((tmp_path / "cache").rglob("output.pkl")))
    assert n_cached == 4  # the steps before the classifier, once


@pytest.mark.parametrize("column", ["path", ["path"]])
def test_column_of_paths_beside_other_columns(paths, column):
    frame = pd.DataFrame({"path": paths, "level": np.arange(N_CLIPS, dtype=float)})
    audio = Pipeline(front_end(flatten=True))
    columns = ColumnTransformer(
        [("audio", audio, column), ("rest", "passthrough", ["level"])]
    )
    table = columns.fit_transform(frame)
    np.testing.assert_array_equal(table[:, :-1], audio.fit_transform(paths))
    np.testing.assert_array_equal(table[:, -1], frame["level"])
    names = list(columns.get_feature_names_out())
    assert names[0] == "audio__mel0_frame0"
    assert len(names) == table.shape[1]


def test_column_of_paths_to_a_data_frame(paths):
    frame = pd.DataFrame({"path": paths, "level": np.arange(N_CLIPS, dtype=float)})
    audio = Pipeline(front_end(flatten=True))
    columns = ColumnTransformer(
        [("audio", audio, ["path"]), ("rest", "passthrough", ["level"])]
    )
    table = columns.set_output(transform="pandas").fit_transform(frame)
    assert list(table.columns) == list(columns.get_feature_names_out())


def test_grid_search_on_a_list_of_paths_in_two_processes(paths, labels):
    grid = {"log_mel__n_mels": [8, 16], "load__duration": [0.25, 0.5]}
    search = GridSearchCV(classifier(), grid, cv=3, n_jobs=2, error_score="raise")
    search.fit(paths, labels)
    assert search.best_score_ > 0.9
    assert list(search.predict(paths)) == list(labels)


def test_dump_predicts_the_same_in_a_new_process(paths, labels, tmp_path):
    model = classifier().fit(paths, labels)
    dump = tmp_path / "model.joblib"
    joblib.dump(model, dump)
    script = (
        "import joblib, sys; print(*joblib.load(sys.argv[1]).predict(sys.argv[2:]))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(dump), *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == list(model.predict(paths))


def test_importing_the_loader_does_not_import_torch():
    script = (
        "import sys; from sklearn_audio.feature_extraction import AudioLoader; "
        "AudioLoader().fit([[0.0]]); print('torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
