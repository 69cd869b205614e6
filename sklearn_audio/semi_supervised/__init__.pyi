from ._cae_pretrained_classifier import (
    CAEPretrainedClassifier as CAEPretrainedClassifier,
)
from ._conv_autoencoder import ConvAutoencoder as ConvAutoencoder
from ._label_enhancing_classifier import (
    LabelEnhancingClassifier as LabelEnhancingClassifier,
)
from ._mean_teacher_classifier import MeanTeacherClassifier as MeanTeacherClassifier
