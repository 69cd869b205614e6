from . import (
    anomaly,
    augmentation,
    datasets,
    exceptions,
    feature_extraction,
    inspection,
    metrics,
    model_selection,
    open_set,
    pretrained,
    zero_shot,
)
from ._version import __version__ as __version__
