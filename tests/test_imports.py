"""Imports run one way, and importing the package costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_audio

ROOT = Path(sklearn_audio.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ESTIMATORS = {"open_set", "anomaly", "zero_shot", "semi_supervised", "transfer"}
TORCH_FREE = {
    "base",
    "_data_frames",
    "_download",
    "metrics",
    "model_selection",
    "datasets",
    "inspection",
}
# What each part may import of the others; every part may import base and persistence.
MAY_IMPORT = {
    "base": set(),
    "_data_frames": set(),
    "exceptions": set(),
    "_download": set(),
    "_torch": set(),
    "metrics": set(),
    "model_selection": set(),
    "datasets": {"_download"},
    "inspection": {"metrics", "model_selection"},
    "augmentation": {"_torch"},
    "pretrained": {"_torch", "_download"},
    "feature_extraction": {"_torch", "pretrained"},
    **{name: {"_torch", "augmentation", "pretrained"} for name in ESTIMATORS},
    # FramedDetector reads recordings as AudioLoader does.
    "anomaly": {"_torch", "augmentation", "pretrained", "feature_extraction"},
}
EVERYBODY = {"base", "_data_frames", "exceptions", "_version"}


def part_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_imported_by(path):
    names = (name.split(".") for name in imported_modules(path))
    parts = {name[1] for name in names if name[0] == "sklearn_audio" and len(name) > 1}
    return {
        part
        for part in parts
        if (ROOT / part).exists() or (ROOT / f"{part}.py").exists()
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    part = part_of(path)
    if part not in MAY_IMPORT:  # the package's door and the command line see it all
        assert part in {"__init__", "__main__", "_version", "_cli"}
        return
    strangers = parts_imported_by(path) - MAY_IMPORT[part] - EVERYBODY - {part}
    assert not strangers, f"{part} must not import {sorted(strangers)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_torch_and_skorch_stay_where_they_belong(path):
    packages = {name.split(".")[0] for name in imported_modules(path)}
    if part_of(path) in TORCH_FREE:
        assert not packages & {"torch", "skorch", "kymatio", "geomloss"}
    if part_of(path) != "_torch":
        assert "skorch" not in packages or is_annotation_only(path)


def is_annotation_only(path):
    """Tell whether skorch is imported under ``if TYPE_CHECKING`` alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    outside = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("skorch")
    ]
    guarded = [
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If)
        and isinstance(block.test, ast.Name)
        and block.test.id == "TYPE_CHECKING"
        for node in block.body
    ]
    return all(node in guarded for node in outside)


def test_importing_the_package_imports_neither_torch_nor_scikit_learn():
    code = (
        "import sys, sklearn_audio, sklearn_audio.open_set, sklearn_audio.datasets\n"
        "heavy = {'torch', 'sklearn', 'librosa', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from sklearn_audio import metrics; metrics.open_set_auroc\n"
        "assert 'torch' not in sys.modules\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
