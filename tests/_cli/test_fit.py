import io
import json
import re
import shutil
import signal

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio._cli import _audio_files, _fit, _model
from sklearn_audio.datasets import load_audio_folder
from sklearn_audio.feature_extraction import (
    AudioLoader,
    LogMelSpectrogram,
    SpectrogramStatistics,
)
from sklearn_audio.open_set import RejectingClassifier, ScatteringResNetClassifier


@pytest.fixture
def out(tmp_path):
    return tmp_path / "models" / "model.joblib"


@pytest.fixture
def fit(run, out):
    """Return what fits a linear classifier and leaves its file in ``out``."""
    out.parent.mkdir()

    def run_fit(folder, *options):
        return run("fit", folder, "--out", out, "--classifier", "linear", *options)

    return run_fit


@pytest.fixture
def no_training(monkeypatch):
    """Make sure that errors come before the minutes of training."""

    def fail(*args, **kwargs):
        raise AssertionError("training has begun")

    monkeypatch.setattr(RejectingClassifier, "fit", fail)


@pytest.fixture
def spoilt(sounds, tmp_path):
    """Clips of which one is a text."""
    folder = tmp_path / "spoilt"
    shutil.copytree(sounds, folder)
    (folder / "rain" / "letter.wav").write_text("Dear reader")
    return folder


def by_hand(sample_rate=16000, frame=512):
    """The pipeline that fit promises, in scikit-learn's own words."""
    classifier = make_pipeline(
        SpectrogramStatistics(), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    return make_pipeline(
        AudioLoader(sample_rate=sample_rate, duration=0.5),
        LogMelSpectrogram(sample_rate, n_fft=frame, hop_length=frame, n_mels=32),
        RejectingClassifier(classifier, cv=5),
    )


def content(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_nothing_written(out):
    assert content(out.parent) == []


def test_the_model_is_the_pipeline_fitted_in_one_piece(fit, out, sounds, monkeypatch):
    monkeypatch.setattr(_audio_files, "_FILES_PER_BLOCK", 7)
    assert fit(sounds, "--quiet") == (0, "", "")
    paths, y = load_audio_folder(sounds, return_X_y=True)
    expected = by_hand().fit(paths, y)
    model = joblib.load(out)
    assert model[-1].offset_ == expected[-1].offset_
    assert np.array_equal(model.score_samples(paths), expected.score_samples(paths))
    assert np.array_equal(model.predict(paths), expected.predict(paths))


def test_the_frame_lasts_as_long_at_any_rate(fit, out, sounds):
    fit(sounds, "--sample-rate", "8000")
    paths, y = load_audio_folder(sounds, return_X_y=True)
    expected = by_hand(8000, 256).fit(paths, y)
    scores = joblib.load(out).score_samples(paths)
    assert np.array_equal(scores, expected.score_samples(paths))


def test_options_reach_the_classifier(fit, out, sounds):
    fit(sounds, "--rejection-rate", "0.25", "--outlier-label", "?", "--duration", ".3")
    loader, _, classifier = joblib.load(out)
    assert loader.duration == 0.3
    assert classifier.rejection_rate == 0.25
    assert classifier.outlier_label_ == "?"


def test_the_rejection_rate_sets_the_threshold(fit, out, sounds):
    paths, y = load_audio_folder(sounds, return_X_y=True)
    offsets = []
    for rate in (0.05, 0.25, 0.6):
        # The first one is the default.
        fit(sounds, "--force", *["--rejection-rate", rate][: 2 * len(offsets)])
        expected = by_hand().set_params(rejectingclassifier__rejection_rate=rate)
        model = joblib.load(out)[-1]
        assert model.rejection_rate == rate
        assert model.offset_ == expected.fit(paths, y)[-1].offset_
        offsets.append(model.offset_)
    assert offsets[0] < offsets[1] < offsets[2]


def test_the_network_is_seeded_and_keeps_quiet_later(run, tmp_path, sounds):
    models = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        out = tmp_path / name
        options = ["--max-epochs", "2", "--random-state", seed, "--duration", "0.2"]
        assert run("fit", sounds, "--out", out, *options)[0] == 0
        models.append(joblib.load(out))
    network = models[0][-1].estimator_
    assert isinstance(network, ScatteringResNetClassifier)
    assert (network.max_epochs, network.random_state, network.verbose) == (2, 3, 0)
    paths = load_audio_folder(sounds).paths
    first, same, other = (model.predict_proba(paths) for model in models)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


class Terminal(io.StringIO):
    """Takes progress bars."""

    def isatty(self):
        return True


@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_bars_are_shown_to_a_watching_user(options, run, tmp_path, sounds, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    out = tmp_path / "model.joblib"
    options += ["--max-epochs", "1", "--duration", "0.2"]
    assert run("fit", sounds, "--out", out, *options)[0] == 0
    shown = terminal.getvalue()
    is_quiet = "--quiet" in options
    assert ("Reading: 100%" in shown) is not is_quiet
    assert ("ScatteringResNetClassifier: 100%" in shown) is not is_quiet
    # The bar was for whoever sat there, not for whoever trains the model again.
    classifier = joblib.load(out)[-1]
    assert classifier.estimator.verbose == classifier.estimator_.verbose == 0


def test_messages_tell_what_is_going_on(fit, out, sounds):
    code, stdout, messages = fit(sounds)
    messages = " ".join(messages.split())
    assert (code, stdout) == (0, "")
    assert "The clips last 0.5 s. Each is cropped or padded to 0.5 s" in messages
    assert "24 clips of 3 classes: bell 8, engine 8, rain 8" in messages
    assert "Training the linear classifier 6 times" in messages
    assert f"Wrote {out}" in messages


@pytest.mark.parametrize(
    ("lengths", "duration"),
    [
        ([0.204, 0.3, 0.3], 0.3),  # the longest of a few
        ([0.2] * 19 + [2.0], 0.2),  # one in twenty does not count
        ([0.2] * 17 + [1.003] * 3, 1.01),  # three in twenty do, rounded up
        ([11.0] * 4, 10.0),  # enough is enough
    ],
)
def test_the_default_duration_holds_most_clips(lengths, duration, hums):
    paths = load_audio_folder(hums(lengths)).paths
    assert _fit._choose_duration(np.array(list(_fit._lengths(paths)))) == duration


def test_a_duration_of_one_frame_will_do(fit, out, hums):
    assert fit(hums([0.005] * 8))[0] == 0
    assert joblib.load(out)[0].duration == 0.01


def test_the_estimate_of_accuracy_is_that_of_cross_validation(fit, sounds):
    _, _, messages = fit(sounds, "--cross-validate", "4")
    shares = [float(share) for share in re.findall(r"([\d.]+)%", messages)]
    assert sum(shares[:3]) == pytest.approx(100, abs=0.2)
    paths, y = load_audio_folder(sounds, return_X_y=True)
    closed = by_hand().set_params(rejectingclassifier__rejection_rate=None)
    accuracy = cross_val_score(closed, paths, y, cv=4).mean()
    assert shares[3] == pytest.approx(100 * accuracy, abs=0.05)


def test_no_more_parts_than_clips_of_the_smallest_class(fit, hums):
    _, _, messages = fit(hums([0.2] * 6), "--cross-validate", "100")
    assert "linear classifier 4 times" in messages
    assert "3 times more" in messages


@pytest.mark.parametrize(
    ("options", "is_estimated"),
    [
        (["--classifier", "linear"], True),
        (["--classifier", "linear", "--cross-validate", "0"], False),
        (["--max-epochs", "1"], False),
        (["--max-epochs", "1", "--cross-validate", "2"], True),
    ],
)
def test_a_network_is_not_trained_again_for_a_number(
    options, is_estimated, run, tmp_path, sounds
):
    out = tmp_path / "model.joblib"
    _, _, messages = run("fit", sounds, "--out", out, "--duration", "0.1", *options)
    assert ("Clips that were held out" in messages) is is_estimated


def test_threads_change_nothing(fit, out, sounds, run):
    fit(sounds)
    one = out.read_bytes()
    fit(sounds, "--n-jobs", "2", "--force")
    assert out.read_bytes() == one


# What cannot be learned from


@pytest.mark.usefixtures("no_training")
def test_an_unreadable_file_is_an_error_that_names_it(fit, out, spoilt):
    code, _, messages = fit(spoilt)
    assert code == 2
    assert f"error: {spoilt / 'rain' / 'letter.wav'}: cannot be decoded" in messages
    assert "--skip-unreadable" in messages
    assert_nothing_written(out)


@pytest.mark.filterwarnings("default")
def test_unreadable_files_are_left_out_on_demand(fit, out, spoilt, sounds):
    code, _, messages = fit(spoilt, "--skip-unreadable", "--quiet")
    assert code == 0
    assert messages.count("\n") == 1
    assert f"warning: left out {spoilt / 'rain' / 'letter.wav'}: cannot" in messages
    with_letter = joblib.load(out)
    fit(sounds, "--force")
    assert with_letter[-1].offset_ == joblib.load(out)[-1].offset_


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("n_readable", [0, 1])
def test_too_little_may_be_left(n_readable, fit, out, sounds, tmp_path):
    folder = tmp_path / "spoilt"
    shutil.copytree(sounds, folder)
    for path in sorted((folder / "bell").iterdir())[n_readable:]:
        path.write_bytes(b"")
    shutil.rmtree(folder / "rain")
    code, _, messages = fit(folder, "--skip-unreadable")
    error = messages.splitlines()[-1]
    assert code == 2
    assert ("only 1 clip of bell" if n_readable else "only the class") in error
    assert_nothing_written(out)


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("no_training")
def test_nothing_may_be_left(fit, out, sounds, tmp_path):
    folder = tmp_path / "spoilt"
    shutil.copytree(sounds, folder)
    for path in folder.rglob("*.wav"):
        path.write_bytes(b"")
    code, _, messages = fit(folder, "--skip-unreadable")
    assert code == 2
    assert "holds no class" in messages.splitlines()[-1]
    assert_nothing_written(out)


@pytest.mark.filterwarnings("default")
def test_a_class_without_audio_files_is_told(fit, sounds, tmp_path):
    folder = tmp_path / "sounds"
    shutil.copytree(sounds, folder)
    (folder / "wind").mkdir()
    (folder / "wind" / "notes.txt").write_text("blows")
    code, _, messages = fit(folder)
    assert code == 0
    assert f"warning: {folder / 'wind'} holds no audio files\n" in messages


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("lengths", "options", "complaint"),
    [
        ([0.2], [], "only the class high"),
        ([0.2] * 3, [], "only 1 clip of low"),
        ([0.2] * 4, ["--outlier-label", "low"], "'low' is a class"),
        ([0.2] * 4, ["--duration", "1e-9"], "less than one sample"),
    ],
)
def test_bad_folders_are_refused(lengths, options, complaint, fit, out, hums):
    code, _, messages = fit(hums(lengths), *options)
    assert code == 2
    assert complaint in messages.splitlines()[-1]
    assert_nothing_written(out)


@pytest.mark.usefixtures("no_training")
def test_a_folder_must_exist_and_hold_audio(fit, tmp_path):
    assert "There is no folder" in fit(tmp_path / "nowhere")[2]
    assert "No audio files" in fit(tmp_path)[2]


# Where the model goes


@pytest.mark.usefixtures("no_training")
def test_the_folder_of_the_model_must_exist(run, sounds, tmp_path):
    for folder in (tmp_path / "nowhere", sounds / "bell" / "bell_00.wav"):
        code, _, messages = run("fit", sounds, "--out", folder / "model.joblib")
        assert code == 2
        assert "its folder cannot be written to" in messages


@pytest.mark.usefixtures("no_training")
def test_a_model_is_not_a_folder(run, sounds, tmp_path):
    code, _, messages = run("fit", sounds, "--out", tmp_path, "--force")
    assert code == 2
    assert f"--out {tmp_path} is a folder" in messages


@pytest.mark.usefixtures("no_training")
def test_a_file_is_not_replaced_without_force(fit, out, sounds):
    out.write_text("precious")
    code, _, messages = fit(sounds)
    assert code == 2
    assert "exists: give --force" in messages
    assert out.read_text() == "precious"


def test_a_file_is_replaced_by_force(fit, out, sounds):
    out.write_text("worthless")
    assert fit(sounds, "--force")[0] == 0
    assert joblib.load(out).predict([np.zeros(99)]).shape == (1,)
    assert content(out.parent) == [out.name]


def test_a_failing_dump_leaves_everything_as_it_was(fit, out, sounds, monkeypatch):
    def fill_the_disk(model, path):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_model.joblib, "dump", fill_the_disk)
    assert fit(sounds)[0] == 2
    assert_nothing_written(out)
    out.write_text("precious")
    code, _, messages = fit(sounds, "--force")
    assert code == 2
    assert "No space left on device" in messages.splitlines()[-1]
    assert content(out.parent) == [out.name]
    assert out.read_text() == "precious"


def test_an_interrupted_training_leaves_no_model(run, tmp_path, sounds, monkeypatch):
    def interrupt(*args):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ScatteringResNetClassifier, "_train_batch", interrupt)
    out = tmp_path / "model.joblib"
    code, _, messages = run("fit", sounds, "--out", out, "--duration", "0.1")
    assert code == 130
    assert messages.splitlines()[-1] == "sklearn-audio: interrupted"
    assert content(tmp_path) == []


def test_the_extension_says_how_to_compress(run, tmp_path, sounds):
    out = tmp_path / "model.joblib.gz"
    run("fit", sounds, "--out", out, "--classifier", "linear")
    assert out.read_bytes()[:2] == b"\x1f\x8b"
    code, text, _ = run("info", out, "--json")
    assert code == 0
    assert json.loads(text)["duration"] == 0.5


def test_real_speech_is_told_apart(real_data, run, tmp_path):
    folder = real_data / "speech_commands_ar" / "audio"
    keywords = ["left", "right", "stop"]
    for keyword in keywords:
        clips = sorted((folder / keyword).iterdir())
        for name, some in (("old", clips[:20]), ("new", clips[-20:])):
            (tmp_path / name / keyword).mkdir(parents=True)
            for clip in some:
                shutil.copy(clip, tmp_path / name / keyword)
    out = tmp_path / "model.joblib"
    run("fit", tmp_path / "old", "--out", out, "--classifier", "linear")
    code, lines, _ = run("predict", out, tmp_path / "new")
    rows = [line.split("\t") for line in lines.splitlines()]
    assert code == 0
    assert len(rows) == 60
    right = [f"/{label}/" in path for path, label, _ in rows]
    assert np.mean(right) > 0.6  # chance is 0.33
