"""What pre-trained networks know, for tasks of a few clips.

:class:`EmbeddingRegularizedClassifier`
    a network of its own, whose embeddings are drawn towards a teacher's in training
:class:`ReprogrammedClassifier`
    a pre-trained network, used unchanged between a small input and a small output
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
