from ._ast import ASTNetwork
from ._efficient_at import EfficientATNetwork
from ._openl3 import OpenL3Network
from ._published_network import PublishedNetwork
from ._registry import NETWORKS, load_network
from ._spectrograms import make_spectrograms
from ._vggish import VGGishNetwork
