from ._label_embedding import LabelEmbedding as LabelEmbedding
