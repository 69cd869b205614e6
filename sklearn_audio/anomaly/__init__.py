"""Detectors of sounds that should not be there, trained on normal clips.

Networks that copy clips, and fail to copy what they have never heard
    :class:`GMGANDetector`
        an adversarial autoencoder whose latent vectors keep to a Gaussian mixture
    :class:`ConvAutoencoderDetector`
        the plain convolutional autoencoder, to compare with

Networks that predict what comes next, and are surprised by what they have never heard
    :class:`WaveNetDetector`
        causal dilated convolutions over the frames of a spectrogram or the samples of a
        waveform

Distances to the normal clips themselves
    :class:`NearestNeighborsDetector`
        the mean distance to the nearest few, which networks have to beat

Long recordings
    :class:`FramedDetector`
        slides any detector of clips: a curve of familiarity, and events in seconds
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
