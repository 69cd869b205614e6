"""Learning from clips without labels, or with some of them.

:class:`ConvAutoencoder`
    learns to copy clips; its encoder is where a classifier can start from
:class:`CAEPretrainedClassifier`
    pre-trains on all clips, and fine-tunes on those with a label
:class:`MeanTeacherClassifier`
    learns from partial labels, and agrees with the average of its own past
:class:`LabelEnhancingClassifier`
    lets a teacher complete partial labels, for any classifier
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
