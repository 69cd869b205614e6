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
    semi_supervised,
    transfer,
    zero_shot,
)
from ._version import __version__ as __version__
