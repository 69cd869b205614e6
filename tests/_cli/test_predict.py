import csv
import io
import os
import shutil

import joblib
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sklearn_audio._cli import _audio_files, _predict
from sklearn_audio.datasets import load_audio_folder, make_sound_events, save_clips
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)
from sklearn_audio.open_set import RejectingClassifier

CLASSES = ["bell", "engine", "rain"]


@pytest.fixture
def predict(run, linear_model):
    def run_predict(*arguments):
        return run("predict", linear_model, *arguments)

    return run_predict


@pytest.fixture
def type_in(monkeypatch):
    """Return what puts bytes into the standard input."""

    def set_stdin(content):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    return set_stdin


def paths_in(folder):
    return sorted(str(path) for path in folder.rglob("*.wav"))


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def paths_of(lines):
    return [line.split("\t")[0] for line in lines.splitlines()]


def test_each_file_gets_a_line(predict, linear_model, new_sounds):
    paths = paths_in(new_sounds)
    code, out, err = predict(*paths)
    assert (code, err) == (0, "")
    model = joblib.load(linear_model)
    labels, scores = model.predict(paths), model.score_samples(paths)
    assert out.splitlines() == [
        f"{path}\t{label}\t{score:.3f}"
        for path, label, score in zip(paths, labels, scores, strict=True)
    ]


def test_csv_holds_what_the_model_says(predict, linear_model, new_sounds):
    paths = paths_in(new_sounds)
    code, out, _ = predict("--csv", "--proba", *paths)
    assert code == 0
    assert out.startswith("path,label,familiarity,proba_bell,proba_engine,proba_rain\n")
    rows = read_csv(out)
    model = joblib.load(linear_model)
    assert [row["path"] for row in rows] == paths
    assert [row["label"] for row in rows] == model.predict(paths).tolist()
    scores = [float(row["familiarity"]) for row in rows]
    assert scores == model.score_samples(paths).tolist()
    shares = [[float(row[f"proba_{c}"]) for c in model.classes_] for row in rows]
    assert shares == model.predict_proba(paths).tolist()


def test_text_holds_probabilities_on_demand(predict, new_sounds):
    _, out, _ = predict("--proba", paths_in(new_sounds)[0])
    shares = [column.split("=") for column in out.rstrip("\n").split("\t")[3:]]
    assert [name for name, _ in shares] == CLASSES
    assert sum(float(share) for _, share in shares) == pytest.approx(1, abs=0.002)


def test_odd_names_survive_csv(predict, new_sounds, tmp_path):
    names = ["a,b.wav", 'a "b".wav', " Glöckchen 鐘.wav", "two\nlines.wav"]
    for name in names:
        shutil.copy(paths_in(new_sounds)[0], tmp_path / name)
    code, out, _ = predict("--csv", *(tmp_path / name for name in names))
    assert code == 0
    assert [row["path"] for row in read_csv(out)] == [
        str(tmp_path / name) for name in names
    ]


def test_what_is_less_familiar_than_the_threshold_is_unknown(
    predict, linear_model, tmp_path
):
    X, y = make_sound_events(0, n_outliers=40, duration=0.5, random_state=2)
    save_clips(tmp_path / "others", X, y, sample_rate=16000)
    rows = read_csv(predict("--csv", tmp_path / "others")[1])
    is_unknown = [row["label"] == "unknown" for row in rows]
    offset = joblib.load(linear_model)[-1].offset_
    assert is_unknown == [float(row["familiarity"]) < offset for row in rows]
    assert 0 < sum(is_unknown) < 40


# Where files come from


def test_folders_are_searched_for_audio_files(predict, new_sounds, tmp_path):
    deep = tmp_path / "b" / "c"
    deep.mkdir(parents=True)
    (tmp_path / "d.wav").mkdir()
    clip = paths_in(new_sounds)[0]
    for target in (tmp_path / "a.wav", deep / "z.WAV", deep / ".hidden.wav"):
        shutil.copy(clip, target)
    (deep / "notes.txt").write_text("no sound")
    code, out, _ = predict(tmp_path, clip)
    assert code == 0
    assert paths_of(out) == [str(tmp_path / "a.wav"), str(deep / "z.WAV"), clip]


def test_a_folder_without_audio_files_is_an_error(predict, new_sounds, tmp_path):
    code, out, err = predict(tmp_path, new_sounds)
    assert code == 1
    assert len(out.splitlines()) == 12
    assert (
        err == f"sklearn-audio: error: {tmp_path}: is a directory, not an audio file.\n"
    )


def test_paths_come_from_the_standard_input(predict, new_sounds, type_in):
    paths = paths_in(new_sounds)
    type_in("\r\n".join([paths[1], "", paths[0]]).encode())
    code, out, _ = predict(paths[2], "-", paths[3])
    assert code == 0
    assert paths_of(out) == [paths[2], paths[1], paths[0], paths[3]]


@pytest.mark.parametrize("options", [[], ["--csv"]])
def test_no_paths_give_no_lines(options, predict, type_in):
    type_in(b"")
    header = "path,label,familiarity\n" if options else ""
    assert predict("-", *options) == (0, header, "")


def test_names_of_files_may_be_any_bytes(type_in):
    type_in(b"na\xefve.wav\n")
    assert [os.fsencode(name) for name in _predict._expand(["-"])] == [b"na\xefve.wav"]


# Blocks


def test_files_are_read_in_blocks(predict, new_sounds, monkeypatch, capsys):
    _, at_once, _ = predict("--csv", "--proba", new_sounds)
    n_files, n_lines = [], []
    transform = AudioLoader.transform

    def spy(self, X):
        n_lines.append(capsys.readouterr().out.count("\n"))
        n_files.append(len(X))
        return transform(self, X)

    monkeypatch.setattr(_audio_files, "_FILES_PER_BLOCK", 5)
    monkeypatch.setattr(AudioLoader, "transform", spy)
    predict("--csv", "--proba", new_sounds)
    assert max(n_files) == 5
    # The lines of a block are out before the next one is read.
    assert sum(n_lines) == 1 + 10
    monkeypatch.setattr(AudioLoader, "transform", transform)
    _, in_blocks, _ = predict("--csv", "--proba", new_sounds, "--n-jobs", "2")
    for row, expected in zip(read_csv(in_blocks), read_csv(at_once), strict=True):
        assert (row["path"], row["label"]) == (expected["path"], expected["label"])
        shares, truth = (
            [float(r[f"proba_{c}"]) for c in CLASSES] for r in (row, expected)
        )
        assert shares == pytest.approx(truth, rel=1e-5)


def test_the_bar_is_not_drawn_among_the_lines(predict, new_sounds, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    predict(new_sounds, "lost.wav")
    assert "Predicting: 100%" in stderr.getvalue()
    assert "sklearn-audio: error: lost.wav" in stderr.getvalue()
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setattr("sys.stdout", Terminal())
    predict(new_sounds)
    assert stderr.getvalue() == ""


# Files that cannot be read


@pytest.mark.parametrize("block", [1, 3, 100])
def test_unreadable_files_are_named_and_the_rest_predicted(
    block, predict, new_sounds, tmp_path, monkeypatch
):
    monkeypatch.setattr(_audio_files, "_FILES_PER_BLOCK", block)
    text, lost = tmp_path / "text.wav", tmp_path / "lost.wav"
    text.write_text("no sound")
    good = paths_in(new_sounds)
    code, out, err = predict(good[0], text, good[1], lost, *good[2:])
    assert code == 1
    assert paths_of(out) == good
    complaints = err.splitlines()
    assert complaints[0].startswith(
        f"sklearn-audio: error: {text}: cannot be decoded as audio."
    )
    assert complaints[1:] == [f"sklearn-audio: error: {lost}: there is no such file."]


def test_all_files_may_be_unreadable(predict, tmp_path):
    code, out, err = predict("--csv", tmp_path / "a.wav", tmp_path / "b.wav")
    assert (code, out) == (1, "path,label,familiarity\n")
    assert len(err.splitlines()) == 2


# Files that are no models


def test_there_must_be_a_model(run, tmp_path):
    for path in (tmp_path / "lost.joblib", tmp_path):
        code, _, err = run("predict", path, "a.wav")
        assert code == 2
        assert f"there is no model file {path}" in err


@pytest.mark.parametrize("content", [b"", b"Dear reader,\nhow are you?\n", b"\x80\x04"])
def test_what_joblib_cannot_load_is_no_model(content, run, tmp_path):
    path = tmp_path / "letter.joblib"
    path.write_bytes(content)
    code, _, err = run("predict", path, "a.wav")
    assert code == 2
    assert f"{path} cannot be loaded as a joblib file" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("thing", "complaint"),
    [
        ({"a": 1}, "holds a dict that takes no audio files"),
        (make_pipeline(LogMelSpectrogram(), SVC()), "holds a Pipeline that takes no"),
        (make_pipeline(AudioLoader(), SVC()), "is not fitted"),
    ],
)
def test_only_fitted_models_of_audio_files_predict(thing, complaint, run, tmp_path):
    path = tmp_path / "thing.joblib"
    joblib.dump(thing, path)
    code, _, err = run("predict", path, "a.wav")
    assert code == 2
    assert complaint in err


# Models that were dumped by other code than fit


@pytest.fixture
def dumped(sounds, tmp_path):
    """Return what fits a model to the sounds and dumps it."""

    def fit_and_dump(model):
        paths, y = load_audio_folder(sounds, return_X_y=True)
        path = tmp_path / "own.joblib"
        joblib.dump(model.fit(paths, y), path)
        return path

    return fit_and_dump


def own_pipeline(classifier, **loader):
    return make_pipeline(
        AudioLoader(duration=0.5, **loader),
        LogMelSpectrogram(n_mels=16),
        SpectrogramStatistics(),
        classifier,
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda pipeline: pipeline,
        lambda pipeline: RejectingClassifier(pipeline, cv=2),
        lambda pipeline: GridSearchCV(pipeline, {"audioloader__duration": [0.3]}, cv=2),
    ],
    ids=["pipeline", "rejecting", "search"],
)
def test_models_of_any_make_predict(wrap, dumped, run, new_sounds):
    path = dumped(wrap(own_pipeline(LogisticRegression(max_iter=10_000))))
    paths = paths_in(new_sounds)
    code, out, err = run("predict", path, "--csv", *paths)
    assert (code, err) == (0, "")
    labels = [row["label"] for row in read_csv(out)]
    assert labels == joblib.load(path).predict(paths).tolist()


def test_a_model_without_scores_leaves_the_column_empty(dumped, run, new_sounds):
    path = dumped(own_pipeline(SVC()))
    clip = paths_in(new_sounds)[0]
    [row] = read_csv(run("predict", path, "--csv", clip)[1])
    assert row["familiarity"] == ""
    assert run("predict", path, clip)[1].endswith("\t-\n")


def test_probabilities_must_be_there_to_be_asked_for(dumped, run, new_sounds):
    path = dumped(own_pipeline(SVC()))
    code, out, err = run("predict", path, "--proba", new_sounds)
    assert (code, out) == (2, "")
    assert f"--proba: {path} predicts no probabilities" in err


def test_a_loader_that_would_warn_is_made_to_fail(dumped, run, new_sounds):
    path = dumped(own_pipeline(SVC(), on_error="warn"))
    clip = paths_in(new_sounds)[0]
    code, out, err = run("predict", path, "lost.wav", clip)
    assert code == 1
    assert paths_of(out) == [clip]
    assert err == "sklearn-audio: error: lost.wav: there is no such file.\n"


def test_a_loader_of_waveforms_at_another_rate_gets_the_files(dumped, run, new_sounds):
    model = own_pipeline(LogisticRegression(max_iter=10_000), input_sample_rate=8000)
    path = dumped(model)
    paths = paths_in(new_sounds)
    rows = read_csv(run("predict", path, "--csv", "--proba", *paths)[1])
    expected = joblib.load(path).predict_proba(paths)[:, 0]
    assert [float(row["proba_bell"]) for row in rows] == expected.tolist()
