"""A folder of sounds, and a model that the command line made of it."""

import signal

import numpy as np
import pytest

from sklearn_audio._cli import main
from sklearn_audio.datasets import make_sound_events, save_clips

CLASSES = ["bell", "engine", "rain"]


@pytest.fixture(autouse=True)
def _interruptible():
    """Undo what a shell does to its background processes: they ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def sounds(tmp_path_factory):
    """8 clips of each of 3 classes; 0.5 s at 16 kHz."""
    X, y = make_sound_events(24, CLASSES, duration=0.5, random_state=0)
    folder = tmp_path_factory.mktemp("sounds") / "classes"
    save_clips(folder, X, y, sample_rate=16000)
    return folder


@pytest.fixture(scope="session")
def new_sounds(tmp_path_factory):
    """4 clips of each class, which no model has heard."""
    X, y = make_sound_events(12, CLASSES, duration=0.5, random_state=1)
    folder = tmp_path_factory.mktemp("new") / "sounds"
    save_clips(folder, X, y, sample_rate=16000)
    return folder


@pytest.fixture(scope="session")
def linear_model(sounds, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "linear.joblib"
    arguments = ["fit", sounds, "--out", out, "--classifier", "linear", "--quiet"]
    assert main([str(argument) for argument in arguments]) == 0
    return out


@pytest.fixture
def run(capsys):
    """Return what runs a command in this process: code, stdout, stderr."""

    def run_command(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.fixture
def hums(tmp_path):
    """Return what writes a folder of hums that last as long as is said."""

    def write(lengths, name="hums", sample_rate=8000):
        rng = np.random.default_rng(0)
        X = [rng.uniform(-0.5, 0.5, round(s * sample_rate)) for s in lengths]
        y = ["low" if place % 2 else "high" for place in range(len(lengths))]
        save_clips(tmp_path / name, X, y, sample_rate=sample_rate)
        return tmp_path / name

    return write
