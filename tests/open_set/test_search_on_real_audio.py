"""A grid search from audio files to a rejecting classifier, on real commands."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_audio.datasets import load_speech_commands_ar
from sklearn_audio.feature_extraction import AudioLoader, LogMelSpectrogram
from sklearn_audio.metrics import get_scorer
from sklearn_audio.model_selection import OpenSetSplit
from sklearn_audio.open_set import OpenSetGANClassifier


@pytest.fixture(scope="module")
def commands(real_data):
    """Twelve clips of each of three known and two unknown keywords."""
    data = load_speech_commands_ar(data_home=real_data)
    known = np.unique(data.target[data.role == "known"])
    unknown = np.unique(data.target[data.role == "unknown"])
    rows = np.concatenate(
        [
            np.flatnonzero(data.target == keyword)[:12]
            for keyword in [*known[:3], *unknown[:2]]
        ]
    )
    return data.paths[rows], data.target[rows], unknown[:2]


def test_grid_search_with_open_set_folds_and_scorers_in_two_processes(commands):
    paths, keywords, unknown = commands
    pipeline = make_pipeline(
        AudioLoader(16000, duration=1.0),
        LogMelSpectrogram(16000, n_fft=1024, hop_length=512, n_mels=32),
        OpenSetGANClassifier(width=8, max_epochs=15, cv=2, lr=0.01, random_state=0),
    )
    scoring = {name: get_scorer(name) for name in ("oscr", "open_set_auroc")}
    search = GridSearchCV(
        pipeline,
        {
            "opensetganclassifier__max_epochs": [1, 15],
            "logmelspectrogram__n_mels": [32],
        },
        scoring=scoring,
        cv=OpenSetSplit(2, unknown_classes=unknown, random_state=0),
        refit=False,
        n_jobs=2,
        error_score="raise",
    ).fit(paths, keywords)
    for name in scoring:
        untrained, trained = search.cv_results_[f"mean_test_{name}"]
        assert 0 <= untrained <= 1
        assert trained > untrained
    is_known = ~np.isin(keywords, unknown)
    best = pipeline.fit(paths[is_known], keywords[is_known])
    answers = best.predict(paths)
    assert set(answers) <= {*keywords[is_known], "unknown"}
    assert np.mean((answers == keywords)[is_known]) > 0.5
