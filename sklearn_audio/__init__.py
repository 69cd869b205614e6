"""scikit-learn estimators for audio classification with insufficient data.

Subpackages are imported when they are first used, so ``import sklearn_audio`` costs
next to nothing and never imports torch.

From sound to numbers
    :mod:`sklearn_audio.datasets`
        loaders of public sets, and makers of synthetic sounds
    :mod:`sklearn_audio.feature_extraction`
        audio files to waveforms to log-mel spectrograms or embeddings
    :mod:`sklearn_audio.pretrained`
        published networks and their weights
    :mod:`sklearn_audio.augmentation`
        random changes of sounds, for more training clips

Estimators
    :mod:`sklearn_audio.open_set`
        classifiers that say "unknown"
    :mod:`sklearn_audio.anomaly`
        detectors that are trained on normal sounds alone
    :mod:`sklearn_audio.zero_shot`
        classes without clips, known by their names
    :mod:`sklearn_audio.semi_supervised`
        clips without labels
    :mod:`sklearn_audio.transfer`
        what pre-trained networks know, for tasks of a few clips

Judging them
    :mod:`sklearn_audio.metrics`
        metrics and scorers of open sets, detection, unseen classes, partial labels
    :mod:`sklearn_audio.model_selection`
        splitters for unknown and unseen classes, and for clips without labels
    :mod:`sklearn_audio.inspection`
        pictures of scores, curves, losses and generated clips

What may go wrong
    :mod:`sklearn_audio.exceptions`
        warnings
"""

import lazy_loader as _lazy

from sklearn_audio._version import __version__ as __version__

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
