"""From audio files to the arrays that estimators take.

Each transformer hands the next one what it needs, and works alone as well.

Files or recorded arrays to waveforms
    :class:`AudioLoader`
        decode, mix down to mono, resample, cut or pad to one length

Waveforms to spectrograms
    :class:`LogMelSpectrogram`
        mel power in dB, as librosa computes it; scaled for networks on demand

Waveforms to embeddings
    :class:`PretrainedEmbedding`
        what a network that has heard millions of clips makes of them, and its tags

Spectrograms to a short row of numbers
    :class:`SpectrogramStatistics`
        mean, spread and movement of each band, for classifiers that take tables
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
