"""Classes without a single training clip, known by their names alone.

Which class a clip is
    :class:`BilinearZeroShot`
        learns from the classes that have clips how names and sounds go together
    :class:`ConSEZeroShot`
        puts a clip among the names of what a classifier or tagger takes it for

What a name means
    :class:`LabelEmbedding`
        label texts to vectors, from word vectors or any embedder of sentences
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
