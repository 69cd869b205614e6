"""Random changes that other recordings of the same sounds would have.

More training clips from the few that there are. Clips to predict are never changed.

What is changed
    :class:`WaveformAugmenter`
        waveforms, in front of any front end
    :class:`SpectrogramAugmenter`
        log spectrograms, fast enough for every batch of a training

Training on changed copies
    :class:`AugmentingClassifier`
        any classifier or pipeline, fitted on its clips and copies of them
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
