"""Learning from clips without labels, or with some of their labels.

Clips without labels
    :class:`ConvAutoencoder`
        learns to copy clips; its encoder is where a classifier can start from
    :class:`CAEPretrainedClassifier`
        pre-trains on all clips, and fine-tunes on those with a label

Clips with some of their labels
    :class:`LabelEnhancingClassifier`
        a teacher says which missing labels not to take for negative
    :class:`MeanTeacherClassifier`
        a student agrees with the average of its own past
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
