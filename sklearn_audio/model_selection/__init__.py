"""Cross-validation that asks the question of the task.

Open set
    :class:`OpenSetSplit`
        keeps unknown classes out of every training fold and puts them into the test
        folds; with groups (speakers, recordings) on one side only

Zero shots and few
    :class:`ZeroShotSplit`
        tests classes, at random or by category, of which training holds no clip or
        only a few

Clips without labels, and with some of their labels
    :class:`SemiSupervisedSplit`
        trains on clips without a label and never tests them
    :class:`MultilabelStratifiedKFold`
        gives each fold its share of what is known of each label
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
