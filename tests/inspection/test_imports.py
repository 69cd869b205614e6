import subprocess
import sys

import pytest

from sklearn_audio.inspection import (
    AnomalyScoreDisplay,
    FilterDisplay,
    GeneratedSamplesDisplay,
    LabelFractionDisplay,
    LatentSpaceDisplay,
    OpenSetRocDisplay,
    ReconstructionDisplay,
    ScoreHistogramDisplay,
    TrainingHistoryDisplay,
)

PROGRAM = """
import sys
from sklearn_audio.inspection import *
print(*sorted({"torch", "matplotlib"} & set(sys.modules)))
"""


def test_importing_the_displays_imports_neither_torch_nor_matplotlib():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("caller", "draw"),
    [
        (
            "ScoreHistogramDisplay.plot",
            ScoreHistogramDisplay(known_scores=[1.0], unknown_scores=[0.0]).plot,
        ),
        (
            "ScoreHistogramDisplay.from_estimator",
            lambda: ScoreHistogramDisplay.from_estimator(None, [], []),
        ),
        (
            "ScoreHistogramDisplay.from_predictions",
            lambda: ScoreHistogramDisplay.from_predictions([], []),
        ),
        ("OpenSetRocDisplay.plot", OpenSetRocDisplay(fpr=[0, 1], rate=[0, 1]).plot),
        (
            "OpenSetRocDisplay.from_estimator",
            lambda: OpenSetRocDisplay.from_estimator(None, [], []),
        ),
        (
            "OpenSetRocDisplay.from_predictions",
            lambda: OpenSetRocDisplay.from_predictions([], [], known_labels=[]),
        ),
        (
            "GeneratedSamplesDisplay.plot",
            GeneratedSamplesDisplay(generated=[[0.0]]).plot,
        ),
        (
            "GeneratedSamplesDisplay.from_estimator",
            lambda: GeneratedSamplesDisplay.from_estimator(None),
        ),
        (
            "TrainingHistoryDisplay.plot",
            TrainingHistoryDisplay(history={"train_loss": [1.0]}).plot,
        ),
        (
            "TrainingHistoryDisplay.from_estimator",
            lambda: TrainingHistoryDisplay.from_estimator(None),
        ),
        (
            "TrainingHistoryDisplay.from_history",
            lambda: TrainingHistoryDisplay.from_history({}),
        ),
        (
            "AnomalyScoreDisplay.plot",
            AnomalyScoreDisplay(times=[0.0], scores=[0.0]).plot,
        ),
        (
            "AnomalyScoreDisplay.from_estimator",
            lambda: AnomalyScoreDisplay.from_estimator(None, [], []),
        ),
        (
            "AnomalyScoreDisplay.from_predictions",
            lambda: AnomalyScoreDisplay.from_predictions([], []),
        ),
        ("LatentSpaceDisplay.plot", LatentSpaceDisplay(points=[[0.0, 0.0]]).plot),
        (
            "LatentSpaceDisplay.from_estimator",
            lambda: LatentSpaceDisplay.from_estimator(None, []),
        ),
        (
            "LatentSpaceDisplay.from_latents",
            lambda: LatentSpaceDisplay.from_latents([]),
        ),
        (
            "ReconstructionDisplay.plot",
            ReconstructionDisplay(original=[[0.0]], reconstruction=[[0.0]]).plot,
        ),
        (
            "ReconstructionDisplay.from_estimator",
            lambda: ReconstructionDisplay.from_estimator(None, []),
        ),
        (
            "ReconstructionDisplay.from_estimators",
            lambda: ReconstructionDisplay.from_estimators({}, []),
        ),
        ("FilterDisplay.plot", FilterDisplay(filters=[[[0.0]]]).plot),
        (
            "FilterDisplay.from_estimator",
            lambda: FilterDisplay.from_estimator(None),
        ),
        (
            "LabelFractionDisplay.plot",
            LabelFractionDisplay(label_counts=[1], scores={"a": [[1.0]]}).plot,
        ),
        (
            "LabelFractionDisplay.from_estimators",
            lambda: LabelFractionDisplay.from_estimators({}, [], []),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_matplotlib_the_error_names_the_caller(monkeypatch, caller, draw):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=rf"{caller} requires matplotlib"):
        draw()
