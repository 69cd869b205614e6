"""The losses of the open-set GAN, in the order of the paper's equations.

Its printed signs are corrected where they contradict the text: entropy is subtracted
from the cost of a transport (Eqs. 3 and 4), which is minimised, and the one half of
Eq. 6 belongs to all of its terms.

References
----------
.. [1] Teh, K. K. and Tran, H. D. (2021). "Open-set audio classification with limited
   training resources based on augmentation enhanced variational auto-encoder GAN with
   detection-classification joint training." Interspeech.
   https://doi.org/10.21437/Interspeech.2021-1142
.. [2] Feydy, J., Séjourné, T., Vialard, F.-X., Amari, S., Trouvé, A. and Peyré, G.
   (2019). "Interpolating between optimal transport and MMD using Sinkhorn divergences."
   AISTATS. https://doi.org/10.48550/arXiv.1810.08278
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from geomloss import SamplesLoss
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics.pairwise import cosine_distances
from torch.nn import functional as F

from sklearn_audio._torch._adversarial import feature_matching_loss

# How slowly the blur is lowered to its final value: 1 = never. Rough in training, where
# the loss is one of many, and finer for scores.
TRAINING_SCALING = 0.9
SCORE_SCALING = 0.99


def classification_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    label_smoothing: float = 0.0,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""Return the cross-entropy (Eq. 1).

    .. math:: L_C = -E_x[\log p_\theta(y \mid x)]

    Parameters
    ----------
    logits : Tensor of shape (n_clips, n_outputs)
        What the classifier says.
    targets : Tensor of shape (n_clips,) or (n_clips, n_outputs)
        Indices of the classes, or probabilities.
    label_smoothing : float
        Share of the probability that is spread over all outputs.
    weight : Tensor of shape (n_outputs,), optional
        Weights of the outputs.

    Returns
    -------
    loss : Tensor of shape ()
        At least 0.
    """
    return F.cross_entropy(
        logits, targets, weight=weight, label_smoothing=label_smoothing
    )


def confidence_loss(
    logits: torch.Tensor,
    cost: str = "euclidean",
    blur: float = 0.5,
    distances: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""Return how far the answers to outliers are from being undecided (Eq. 2).

    .. math:: L_{SH} = E_{\tilde x}[S_\varepsilon(q_\theta(\tilde x), U)]

    Parameters
    ----------
    logits : Tensor of shape (n_clips, n_classes)
        What the classifier says of outliers.
    cost : {"euclidean", "discrete", "semantic"}
        What is transported: see :func:`sinkhorn_divergence`.
    blur : float
        Square root of :math:`\varepsilon`.
    distances : Tensor of shape (n_classes, n_classes), optional
        Costs between the classes, for "semantic".

    Returns
    -------
    loss : Tensor of shape ()
        At least 0, where every answer is uniform.
    """
    probabilities = logits.softmax(dim=1)  # (B, K)
    return sinkhorn_divergence(probabilities, cost, blur, distances).mean()


def sinkhorn_divergence(
    probabilities: torch.Tensor,
    cost: str = "euclidean",
    blur: float = 0.5,
    distances: torch.Tensor | None = None,
    scaling: float = TRAINING_SCALING,
) -> torch.Tensor:
    r"""Return each answer's Sinkhorn divergence from the uniform one (Eqs. 3 and 4).

    .. math::

        \mathrm{OT}_\varepsilon(p, q) &= \min_\gamma \sum_{ij} \gamma_{ij} M_{ij}
        + \varepsilon \, \mathrm{KL}(\gamma \,\|\, p \otimes q) \\
        S_\varepsilon(p, U) &= \mathrm{OT}_\varepsilon(p, U)
        - \tfrac12 \mathrm{OT}_\varepsilon(p, p)
        - \tfrac12 \mathrm{OT}_\varepsilon(U, U), \quad \varepsilon = \text{blur}^2

    The paper leaves open what is transported:

    - "euclidean": a vector of probabilities is one point, at cost
      :math:`\frac12 \lVert p - U \rVert^2`. There is but one way to move a point, so
      that the divergence is that cost itself, whatever the blur;
    - "discrete": mass moves between classes, at cost 1 whichever they are;
    - "semantic": mass moves between classes at the cost of ``distances``.

    Parameters
    ----------
    probabilities : Tensor of shape (n_clips, n_classes)
        The answers; each row sums to 1.
    cost : {"euclidean", "discrete", "semantic"}
        What is transported.
    blur : float
        Square root of :math:`\varepsilon`. Where mass moves between classes at costs of
        about 1, the iterations end before they converge: values come out too low by up
        to 0.1 at blur 0.05, 0.03 at 0.5 and 1e-4 at 1; in scores, by a fifth of that.
    distances : Tensor of shape (n_classes, n_classes), optional
        :math:`M`, for "semantic".
    scaling : float in (0, 1)
        How slowly the blur is lowered to its final value.

    Returns
    -------
    divergences : Tensor of shape (n_clips,)
        At least 0; 0 for the uniform answer.

    Raises
    ------
    ValueError
        If "semantic" lacks the distances.
    """
    n_clips, n_classes = probabilities.shape
    if cost == "euclidean":
        return (probabilities - 1 / n_classes).square().sum(dim=1) / 2
    if cost == "discrete":
        distances = 1 - torch.eye(n_classes)
    elif distances is None:
        raise ValueError("cost='semantic' needs the distances between the classes.")
    distances = distances.to(probabilities)
    transport = SamplesLoss(
        "sinkhorn",
        p=2,
        blur=blur,
        scaling=scaling,
        # geomloss starts from this blur; its cost is half of a squared distance.
        diameter=float((2 * distances.max()).sqrt()),
        cost=lambda x, _: distances.expand(len(x), -1, -1),
        backend="tensorized",
    )
    # The cost is a table: where the classes lie does not matter.
    places = probabilities.new_zeros(n_clips, n_classes, 1)
    uniform = torch.full_like(probabilities, 1 / n_classes)
    # geomloss leaves autograd on, or off where it is interrupted.
    with torch.set_grad_enabled(torch.is_grad_enabled()):
        return transport(probabilities, places, uniform, places)


def kl_loss(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    r"""Return the divergence of the posterior from the standard normal prior (Eq. 6).

    .. math:: L_{KL} = \tfrac12 E_x[\mu^\top \mu + \sum_j (e^{s_j} - s_j - 1)]

    Parameters
    ----------
    mean, log_variance : Tensor of shape (n_clips, latent_dim)
        :math:`\mu` and :math:`s = \log \sigma^2`.

    Returns
    -------
    loss : Tensor of shape ()
        At least 0.
    """
    terms = mean.square() + log_variance.exp() - log_variance - 1  # (B, Z)
    return terms.sum(dim=1).mean() / 2


def structure_loss(
    x: torch.Tensor,
    x_tilde: torch.Tensor,
    features: torch.Tensor,
    features_tilde: torch.Tensor,
    alpha: float = 1.0,
    beta: float = 1.0,
    reduction: str = "mean",
) -> torch.Tensor:
    r"""Return how unlike their originals reconstructions are (Eq. 8).

    .. math::

        L_G = \tfrac12 \big( \alpha \lVert x - \tilde x \rVert_2^2
        + \beta \lVert f_D(x) - f_D(\tilde x) \rVert_2^2 \big)

    The printed norms are sums of squares. Averaged over the values instead, the weights
    hold for clips of any size. Either is the mean over the clips.

    Parameters
    ----------
    x, x_tilde : Tensor of shape (n_clips, ...)
        Real clips and what the generator makes of their latent vectors.
    features, features_tilde : Tensor of shape (n_clips, n_features)
        The detector's features of both.
    alpha, beta : float
        Weights.
    reduction : {"mean", "sum"}
        What becomes of the squares of a clip, and of those of its features.

    Returns
    -------
    loss : Tensor of shape ()
        At least 0.
    """
    copying = F.mse_loss(x_tilde, x)
    matching = feature_matching_loss(features, features_tilde)
    if reduction == "sum":
        copying = copying * x[0].numel()
        matching = matching * features[0].numel()
    return (alpha * copying + beta * matching) / 2


def class_distances(
    class_embeddings: Mapping[Any, ArrayLike] | ArrayLike, classes: NDArray
) -> torch.Tensor:
    """Return the cosine distances between the embeddings of the classes.

    Parameters
    ----------
    class_embeddings : mapping or array-like of shape (n_classes, n_dims)
        A vector for each class, by label or in the order of ``classes``.
    classes : ndarray of shape (n_classes,)
        The labels.

    Returns
    -------
    distances : Tensor of shape (n_classes, n_classes)
        Between 0 and 2.

    Raises
    ------
    ValueError
        If a class has no vector, if there are more or fewer vectors than classes, or if
        all of them point in one direction.
    """
    if isinstance(class_embeddings, Mapping):
        missing = [label for label in classes.tolist() if label not in class_embeddings]
        if missing:
            raise ValueError(
                f"class_embeddings holds no vector for {missing}. Give one for each of "
                f"the classes {classes.tolist()}."
            )
        rows = [class_embeddings[label] for label in classes.tolist()]
        vectors = np.asarray(rows, dtype=np.float64)
    else:
        vectors = np.asarray(class_embeddings, dtype=np.float64)
    if len(vectors) != len(classes):
        raise ValueError(
            f"class_embeddings holds {len(vectors)} vectors, but y holds "
            f"{len(classes)} classes. Give one vector for each of {classes.tolist()}."
        )
    distances = cosine_distances(vectors)
    if not distances.any():
        raise ValueError(
            "class_embeddings holds the same direction for every class, so that no "
            "class is far from another one. Give vectors that differ."
        )
    return torch.from_numpy(distances)
