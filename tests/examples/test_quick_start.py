"""The quick start runs on each kind of sounds; the build of the docs runs the rest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_audio

SCRIPT = Path(sklearn_audio.__file__).parents[1] / "examples" / "plot_quick_start.py"


def run(name, folder, **environment):
    result = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), name, str(folder)],
        env={**os.environ, "MPLBACKEND": "agg", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    figures = re.findall(rf"{name}: (.*) (\d\.\d+)", result.stdout)
    return {what: float(value) for what, value in figures}


def test_synthetic_sounds(tmp_path):
    figures = run("synthetic", tmp_path)
    assert figures["closed-set accuracy"] > 0.8
    assert figures["AUROC"] > 0.7
    assert figures["known clips rejected"] < 0.2
    picture = tmp_path / "quick_start_synthetic.png"
    assert picture.stat().st_size > 10_000


def test_a_data_set_that_is_not_there(tmp_path):
    with pytest.raises(AssertionError, match=r"was not found.*download=True"):
        run("digits", tmp_path, SKLEARN_AUDIO_DATA=str(tmp_path))
