from ._open_set_split import OpenSetSplit
