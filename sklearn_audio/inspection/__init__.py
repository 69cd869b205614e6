"""Pictures that tell how a model came to its answers, in scikit-learn's manner.

Each display has class methods that compute and draw at once, such as
``from_estimator``, and ``plot``, which draws again what was computed. The artists are
kept in attributes, ``ax_`` and ``figure_`` among them, to be changed at will. Needs
matplotlib, the extra ``plot``, but only to draw.

Known against unknown clips
    :class:`ScoreHistogramDisplay`
        familiarity of both sides, and the threshold between them
    :class:`OpenSetRocDisplay`
        ROC and OSCR curves: what each threshold would accept

Normal and anomalous clips
    :class:`AnomalyScoreDisplay`
        familiarity of a long recording, moment by moment
    :class:`LatentSpaceDisplay`
        where an encoder puts clips
    :class:`ReconstructionDisplay`
        what autoencoders make of clips, and the difference

Which class was named, and why
    :class:`CategoryConfusionDisplay`
        which classes are mistaken for which, those of a category side by side
    :class:`CompatibilityDisplay`
        how well each class fits each candidate of a zero-shot classifier

How a network was trained
    :class:`TrainingHistoryDisplay`
        every loss, epoch by epoch
    :class:`GeneratedSamplesDisplay`
        what a generator makes up, beside real clips
    :class:`FilterDisplay`
        what the first layer of a convolutional network looks for
    :class:`LabelFractionDisplay`
        what every further label is worth, for one way of training and another
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
