from . import datasets, feature_extraction, metrics, model_selection, open_set
from ._version import __version__ as __version__
from .base import InconsistentVersionWarning as InconsistentVersionWarning
