from ._embedding_regularized_classifier import (
    EmbeddingRegularizedClassifier as EmbeddingRegularizedClassifier,
)
from ._reprogrammed_classifier import ReprogrammedClassifier as ReprogrammedClassifier
