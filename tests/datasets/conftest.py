"""Files that stand for clips."""

import pytest


@pytest.fixture
def make_files(tmp_path):
    """Make empty files, or files with text, below a new folder; return the folder."""

    def make(files, folder="copy"):
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return make
