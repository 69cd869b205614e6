from ._anomaly_score_display import AnomalyScoreDisplay as AnomalyScoreDisplay
from ._category_confusion_display import (
    CategoryConfusionDisplay as CategoryConfusionDisplay,
)
from ._compatibility_display import CompatibilityDisplay as CompatibilityDisplay
from ._filter_display import FilterDisplay as FilterDisplay
from ._generated_samples_display import (
    GeneratedSamplesDisplay as GeneratedSamplesDisplay,
)
from ._label_fraction_display import LabelFractionDisplay as LabelFractionDisplay
from ._latent_space_display import LatentSpaceDisplay as LatentSpaceDisplay
from ._open_set_roc_display import OpenSetRocDisplay as OpenSetRocDisplay
from ._reconstruction_display import ReconstructionDisplay as ReconstructionDisplay
from ._score_histogram_display import ScoreHistogramDisplay as ScoreHistogramDisplay
from ._training_history_display import (
    TrainingHistoryDisplay as TrainingHistoryDisplay,
)
