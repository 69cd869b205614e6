"""How well a classifier knows what it does not know, or never heard.

In every open-set metric a *known* class is one that the classifier was trained on, and
the score of a clip is its familiarity: higher means more familiar.

Known against unknown, over all thresholds
    :func:`open_set_auroc`
        chance that a known clip is more familiar than an unknown one
    :func:`aupr_in`, :func:`aupr_out`
        average precision with the known, or the unknown, clips as positives
    :func:`equal_error_rate`
        error where known and unknown clips are mistaken equally often

Known against unknown, at one operating point
    :func:`fpr_at_tpr`
        unknown clips accepted when 95 % of the known ones are

Naming and rejecting together, over all thresholds
    :func:`oscr_curve`, :func:`oscr_score`, :func:`ccr_at_fpr`
        clips that are accepted *and* named rightly, against unknown clips accepted

Anomalous against normal clips, at few false alarms
    :func:`partial_auc`
        area under the ROC curve while few normal clips raise an alarm

Final answers of ``predict``
    :func:`open_set_accuracy`, :func:`open_set_f1`
        the outlier label counts as one more class

Names of classes without training clips
    :func:`zero_shot_accuracy`
        clips named rightly where only the test clips' classes are candidates
    :func:`harmonic_mean_accuracy`
        seen and unseen classes named rightly where all are candidates

Several labels a clip, some of which are missing
    :func:`masked_average_precision_score`, :func:`masked_auprc_score`
        clips with a label ranked before those without, of what is known
    :func:`two_sided_f1_score`
        presence and absence told rightly, of what is known

In ``GridSearchCV`` and ``cross_validate``
    :func:`get_scorer`, :func:`get_scorer_names`
        scorers by name
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
