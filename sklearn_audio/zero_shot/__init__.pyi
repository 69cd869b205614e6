from ._bilinear_zero_shot import BilinearZeroShot as BilinearZeroShot
from ._conse_zero_shot import ConSEZeroShot as ConSEZeroShot
from ._label_embedding import LabelEmbedding as LabelEmbedding
