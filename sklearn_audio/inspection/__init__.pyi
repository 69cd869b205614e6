from ._generated_samples_display import (
    GeneratedSamplesDisplay as GeneratedSamplesDisplay,
)
from ._open_set_roc_display import OpenSetRocDisplay as OpenSetRocDisplay
from ._score_histogram_display import ScoreHistogramDisplay as ScoreHistogramDisplay
from ._training_history_display import (
    TrainingHistoryDisplay as TrainingHistoryDisplay,
)
