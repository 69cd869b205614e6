from ._open_set_split import OpenSetSplit
from ._zero_shot_split import ZeroShotSplit
