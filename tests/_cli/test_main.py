import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sklearn_audio import __version__
from sklearn_audio._cli import _model, main

SCRIPT = shutil.which("sklearn-audio", path=Path(sys.executable).parent)


def start(*arguments, **streams):
    return subprocess.Popen(
        [SCRIPT, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **streams,
    )


def test_the_installed_script_fits_predicts_and_informs(sounds, new_sounds, tmp_path):
    model = tmp_path / "model.joblib"
    with start("fit", sounds, "--out", model, "--classifier", "linear") as fit:
        _, messages = fit.communicate()
    assert fit.returncode == 0, messages
    assert "24 clips of 3 classes: bell 8, engine 8, rain 8" in messages
    with start("predict", model, new_sounds) as predict:
        lines, messages = predict.communicate()
    assert predict.returncode == 0, messages
    paths = {line.split("\t")[0] for line in lines.splitlines()}
    assert paths == {str(path) for path in new_sounds.rglob("*.wav")}
    with start("info", model) as info:
        facts, messages = info.communicate()
    assert info.returncode == 0, messages
    assert "bell, engine, rain" in facts


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_comes_without_heavy_imports(arguments):
    code = (
        "import sys\n"
        "from sklearn_audio._cli import main\n"
        "try:\n"
        f"    main({arguments})\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0\n"
        "heavy = {'torch', 'sklearn', 'numpy', 'joblib', 'tqdm', 'soundfile'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_python_m_tells_the_version():
    command = [sys.executable, "-m", "sklearn_audio", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"sklearn-audio {__version__}\n"


@pytest.mark.parametrize("command", ["predict", "info"])
def test_help_warns_of_strangers_models(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert "load only files that you trust" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "COMMAND"),
        (["sing"], "'sing'"),
        (["fit", "sounds"], "--out"),
        (["fit", "sounds", "--out", "m", "--sample-rate", "0"], "not greater than 0"),
        (["fit", "sounds", "--out", "m", "--sample-rate", "inf"], "not greater than 0"),
        (["fit", "sounds", "--out", "m", "--duration", "nan"], "not greater than 0"),
        (["fit", "sounds", "--out", "m", "--duration", "long"], "'long' is not a num"),
        (["fit", "sounds", "--out", "m", "--rejection-rate", "1"], "from 0 to below 1"),
        (["fit", "sounds", "--out", "m", "--max-epochs", "0"], "0 is not 1 or more"),
        (["fit", "sounds", "--out", "m", "--max-epochs", "2.5"], "not a whole number"),
        (
            ["fit", "sounds", "--out", "m", "--random-state", "-1"],
            "-1 is not 0 to 4294",
        ),
        (["fit", "sounds", "--out", "m", "--cross-validate", "1"], "--cross-validate"),
        (["fit", "sounds", "--out", "m", "--n-jobs", "0"], "0 threads"),
        (["fit", "sounds", "--out", "m", "--n-jobs", "-2"], "-2 is not -1 or more"),
        (["fit", "sounds", "--out", "m", "--classifier", "forest"], "forest"),
        (["predict", "model.joblib"], "FILES"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    complaints = capsys.readouterr().err
    assert complaints.startswith("sklearn-audio: error: ")
    assert complaint in complaints
    assert complaints.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ValueError("this\nand that"), "this and that"),
        (MemoryError("3 GiB wanted"), "3 GiB wanted"),
    ],
)
def test_errors_in_the_input_take_one_line(error, complaint, run, monkeypatch):
    def fail(path):
        raise error

    monkeypatch.setattr("sklearn_audio._cli._info.load_model", fail)
    assert run("info", "m.joblib") == (2, "", f"sklearn-audio: error: {complaint}\n")


def test_errors_in_the_code_are_not_hidden(run, monkeypatch):
    monkeypatch.setattr("sklearn_audio._cli._info.load_model", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("info", "model.joblib")


def test_an_interrupt_ends_the_command(run, monkeypatch):
    def interrupt(path):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_model.joblib, "load", interrupt)
    before = signal.getsignal(signal.SIGINT)
    assert run("info", __file__) == (130, "", "sklearn-audio: interrupted\n")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.name != "posix", reason="only POSIX sends this signal")
def test_control_c_in_a_shell_ends_the_process(linear_model):
    with start("predict", linear_model, "-", "--csv") as process:
        header = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate()
    assert (header, messages) == (
        "path,label,familiarity\n",
        "sklearn-audio: interrupted\n",
    )
    assert process.returncode == 130


def test_a_reader_that_has_enough_is_no_error(linear_model, new_sounds):
    with start("predict", linear_model, new_sounds) as process:
        process.stdout.close()
        messages = process.stderr.read()
    assert (process.returncode, messages) == (0, "")
