from . import (
    datasets,
    exceptions,
    feature_extraction,
    metrics,
    model_selection,
    open_set,
)
from ._version import __version__ as __version__
