from ._conv_autoencoder_detector import (
    ConvAutoencoderDetector as ConvAutoencoderDetector,
)
from ._framed_detector import FramedDetector as FramedDetector
from ._gmgan_detector import GMGANDetector as GMGANDetector
from ._nearest_neighbors_detector import (
    NearestNeighborsDetector as NearestNeighborsDetector,
)
from ._wavenet_detector import WaveNetDetector as WaveNetDetector
