"""Classifiers that may say "unknown".

A classifier that is trained to reject
    :class:`OpenSetGANClassifier`
        learns from outliers that it makes for itself, for few clips

Any classifier with an outlier label
    :class:`RejectingClassifier`
        rejects by a threshold on the classifier's own outputs

Closed-set networks to put into it
    :class:`ScatteringResNetClassifier`
        ResNet-18 behind a wavelet scattering transform, for few clips
    :class:`AugGANClassifier`
        the same as the discriminator of a multi-class GAN, on augmented clips
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
