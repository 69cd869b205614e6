from ._aug_gan_classifier import AugGANClassifier as AugGANClassifier
from ._open_set_gan_classifier import OpenSetGANClassifier as OpenSetGANClassifier
from ._rejecting_classifier import RejectingClassifier as RejectingClassifier
from ._scattering_resnet_classifier import (
    ScatteringResNetClassifier as ScatteringResNetClassifier,
)
