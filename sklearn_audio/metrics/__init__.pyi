from ._open_set_labels import open_set_accuracy, open_set_f1
from ._open_set_ranking import (
    aupr_in,
    aupr_out,
    equal_error_rate,
    fpr_at_tpr,
    open_set_auroc,
)
from ._oscr import ccr_at_fpr, oscr_curve, oscr_score
from ._partial_auc import partial_auc
from ._partial_labels import (
    masked_auprc_score,
    masked_average_precision_score,
    two_sided_f1_score,
)
from ._scorers import get_scorer, get_scorer_names
from ._zero_shot import harmonic_mean_accuracy, zero_shot_accuracy
