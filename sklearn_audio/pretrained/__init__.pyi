from ._efficient_at import EfficientATNetwork
from ._registry import NETWORKS, PublishedNetwork, load_network
