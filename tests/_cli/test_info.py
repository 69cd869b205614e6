import json

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sklearn_audio
from sklearn_audio.datasets import load_audio_folder
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)
from sklearn_audio.open_set import RejectingClassifier, ScatteringResNetClassifier


@pytest.fixture(scope="module")
def network_model(sounds, tmp_path_factory):
    paths, y = load_audio_folder(sounds, return_X_y=True)
    network = ScatteringResNetClassifier(width=2, max_epochs=1, random_state=0)
    model = make_pipeline(
        AudioLoader(duration=0.5),
        LogMelSpectrogram(n_mels=16, hop_length=512),
        RejectingClassifier(network, rejection_rate=None),
    ).fit(paths, y)
    path = tmp_path_factory.mktemp("network") / "network.joblib"
    joblib.dump(model, path)
    return path


def facts_of(run, path):
    code, out, err = run("info", path, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_json_tells_what_the_model_is_made_of(linear_model, run):
    facts = facts_of(run, linear_model)
    model = joblib.load(linear_model)
    assert facts["classes"] == ["bell", "engine", "rain"]
    assert facts["threshold"] == model[-1].offset_
    assert facts["rejection_rate"] == 0.05
    assert facts["outlier_label"] == "unknown"
    assert (facts["sample_rate"], facts["duration"]) == (16000, 0.5)
    assert facts["bytes"] == linear_model.stat().st_size
    assert facts["dumped_by_sklearn_audio"] == sklearn_audio.__version__
    assert facts["n_parameters"] is None
    assert list(facts["steps"]) == ["loader", "log_mel", "classifier"]


def test_steps_hold_the_parameters_that_differ_from_the_defaults(network_model, run):
    steps = facts_of(run, network_model)["steps"]
    assert steps["audioloader"] == {
        "class": "AudioLoader",
        "parameters": {"duration": 0.5},
    }
    assert steps["rejectingclassifier"]["parameters"] == {
        "estimator": {
            "class": "ScatteringResNetClassifier",
            "parameters": {"width": 2, "max_epochs": 1, "random_state": 0},
        },
        "rejection_rate": None,
    }


def test_parameters_of_the_network_are_counted(network_model, run):
    module = joblib.load(network_model)[-1].estimator_.modules_["module"]
    n_weights = sum(np.prod(weight.shape) for weight in module.parameters())
    assert facts_of(run, network_model)["n_parameters"] == n_weights > 0


def test_a_model_that_rejects_nothing_has_no_threshold(network_model, run):
    assert facts_of(run, network_model)["threshold"] is None
    _, out, _ = run("info", network_model)
    assert ["threshold", "none"] in [line.split() for line in out.splitlines()]


def test_text_takes_one_line_for_each_fact(linear_model, run):
    code, out, _ = run("info", linear_model)
    lines = dict(line.split(maxsplit=1) for line in out.splitlines()[:-3])
    assert code == 0
    assert lines["file"] == str(linear_model)
    assert lines["classes"] == "bell, engine, rain"
    assert [line.split()[:2] for line in out.splitlines()[-3:]] == [
        ["step", "loader"],
        ["step", "log_mel"],
        ["step", "classifier"],
    ]
    assert "LogMelSpectrogram(hop_length=512, n_mels=32)" in out


@pytest.mark.filterwarnings("default")
def test_the_version_that_dumped_the_model_is_told(
    linear_model, run, tmp_path, monkeypatch
):
    model = joblib.load(linear_model)
    with monkeypatch.context() as past:
        past.setattr("sklearn_audio.base.__version__", "0.0.1")
        joblib.dump(model, tmp_path / "old.joblib")
    code, out, err = run("info", tmp_path / "old.joblib", "--json")
    assert code == 0
    assert json.loads(out)["dumped_by_sklearn_audio"] == "0.0.1"
    assert err.startswith("sklearn-audio: warning: This AudioLoader was dumped by")


class Odd(BaseEstimator):
    """A classifier with parameters that JSON has no words for."""

    def __init__(self, table=None, number=None, function=None):
        self.table = table
        self.number = number
        self.function = function

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self


def test_json_holds_any_parameter(tmp_path, run):
    odd = Odd(table=np.eye(2), number=np.float32(0.5), function=abs)
    model = make_pipeline(AudioLoader(), odd).fit([np.zeros(9)], [0])
    joblib.dump(model, tmp_path / "odd.joblib")
    facts = facts_of(run, tmp_path / "odd.joblib")
    assert facts["classes"] == [0]
    assert facts["steps"]["odd"]["parameters"] == {
        "table": [[1, 0], [0, 1]],
        "number": 0.5,
        "function": "<built-in function abs>",
    }


def test_a_model_that_is_no_pipeline_is_one_step(sounds, tmp_path, run):
    paths, y = load_audio_folder(sounds, return_X_y=True)
    pipeline = make_pipeline(
        AudioLoader(duration=0.5),
        LogMelSpectrogram(),
        SpectrogramStatistics(),
        LogisticRegression(max_iter=10_000),
    )
    model = RejectingClassifier(pipeline, rejection_rate=0.1, cv=2).fit(paths, y)
    joblib.dump(model, tmp_path / "model.joblib")
    facts = facts_of(run, tmp_path / "model.joblib")
    assert facts["duration"] == 0.5
    assert facts["rejection_rate"] == 0.1
    assert facts["steps"]["model"]["class"] == "RejectingClassifier"
