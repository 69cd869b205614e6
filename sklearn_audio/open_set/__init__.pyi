from ._rejecting_classifier import RejectingClassifier as RejectingClassifier
from ._scattering_resnet_classifier import (
    ScatteringResNetClassifier as ScatteringResNetClassifier,
)
