"""What importing the data sets brings along."""

import subprocess
import sys

PROGRAM = """
import sys
from sklearn_audio.datasets import *
heavy = {"torch", "pooch", "requests", "soundfile", "soundata", "mirdata"}
print(*sorted(heavy & set(sys.modules)))
"""


def test_no_heavy_library_is_imported_before_it_is_used():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
