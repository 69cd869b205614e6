"""Classifiers that may say "unknown".

Any classifier with an outlier label
    :class:`RejectingClassifier`
        rejects by a threshold on the classifier's own outputs

Closed-set networks to put into it
    :class:`ScatteringResNetClassifier`
        ResNet-18 behind a wavelet scattering transform, for few clips
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
