"""Published networks, and where their weights come from.

:class:`~sklearn_audio.feature_extraction.PretrainedEmbedding` runs them on clips. Here
they are by themselves, for work in PyTorch.

What there is
    :data:`NETWORKS`
        each network's source, licence, sample rate and size of embedding
    :func:`load_network`
        a network with its published weights, fetched once or read from a file
    :func:`make_spectrograms`
        what a network makes of waveforms first, for what stands between the two

Architectures
    :class:`EfficientATNetwork`
        MobileNetV3 on mel spectrograms, for embeddings and AudioSet tags
    :class:`ASTNetwork`
        a transformer on patches of mel spectrograms, for embeddings and AudioSet tags
    :class:`VGGishNetwork`
        a VGG network on mel spectrograms, for embeddings of a second
    :class:`OpenL3Network`
        a network that learned from sounds and pictures, for embeddings of a second
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
