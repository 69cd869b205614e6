from ._cae_pretrained_classifier import (
    CAEPretrainedClassifier as CAEPretrainedClassifier,
)
from ._conv_autoencoder import ConvAutoencoder as ConvAutoencoder
