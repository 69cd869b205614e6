"""
======================================
A classifier that is trained to reject
======================================

:class:`~sklearn_audio.open_set.OpenSetGANClassifier` makes outliers for itself, and
learns not to take them for one of its classes. Here are the outliers, the course of the
training, and the scores beside those of a classifier that gets a threshold afterwards.
The sounds are synthetic.
"""

# %%
# Few clips of eight kinds
# ------------------------
#
# Fifteen clips of each kind to train on, as log-mel spectrograms of 32 bands and 32
# frames. The test holds new recordings of the eight kinds, and seven kinds that nobody
# has heard.

from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import LogMelSpectrogram

X, y = make_sound_events(120, random_state=0)
X_test, y_test = make_sound_events(240, n_outliers=240, random_state=1)
front_end = LogMelSpectrogram(n_mels=32, hop_length=512)

# %%
# Two ways to reject
# ------------------
#
# The one classifier learns from clips that are played backwards and from clips that a
# generator makes up. It is an ensemble: three networks, each trained on two thirds of
# the clips. The other one is a closed-set network of the same width, with a threshold
# on its largest probability. Both are calibrated to lose one known clip in ten. They
# are small here and trained for a short time, which is why the learning rates of the
# game are larger than by default.

from sklearn.pipeline import make_pipeline

from sklearn_audio.open_set import (
    OpenSetGANClassifier,
    RejectingClassifier,
    ScatteringResNetClassifier,
)

shared = {"width": 8, "max_epochs": 25, "random_state": 0}
gan = OpenSetGANClassifier(
    **shared,
    outliers="both",
    gan_width=8,
    lr_generator=2e-3,
    lr_detector=1e-3,
    rejection_rate=0.1,
    cv=3,
)
network = ScatteringResNetClassifier(**shared)
models = {
    "trained to reject": gan,
    "with a threshold": RejectingClassifier(network, rejection_rate=0.1, cv=2),
}
for name, classifier in models.items():
    models[name] = make_pipeline(front_end, classifier).fit(X, y)

# %%
# What each of them answers: how many known clips get the right name, and how many
# clips of either side are rejected.

is_known = y_test != "unknown"
for name, model in models.items():
    answers = model.predict(X_test)
    is_rejected = answers == "unknown"
    print(
        f"{name}: {(answers == y_test)[is_known].mean():.0%} named rightly, "
        f"rejected {is_rejected[is_known].mean():.0%} of the known "
        f"and {is_rejected[~is_known].mean():.0%} of the unknown clips"
    )

# %%
# All at a glance
# ---------------
#
# *Above*, real clips and generated ones. After so few epochs these are blurred: patches
# of sound, fainter than real ones, some with a beginning and an end, but of no kind
# that has a name. That is what the classifier shall be undecided about. The fine
# chessboard comes from the generator's upsampling.
#
# *In the middle*, to the left, the losses. The classification goes down although the
# confidence loss draws the answers to generated clips towards uniform ones. The
# detector is ahead of its adversary, the generator, but does not run away. To the
# right, what thresholds would accept. After so short a training on so few clips the
# curves lie close together, and with another seed or another number of epochs either
# may be above the other one: the comparison over several seeds, on real sounds and with
# the default settings, is in :doc:`the user guide </user_guide/open_set>`.
#
# *Below*, the familiarities. Left of the dashed line, clips are rejected. The
# probabilities of the closed-set network crowd near 1, those of unknown clips too, so
# that a threshold has little room. The familiarity of the other classifier is a mean of
# three scores, and spreads out.

import matplotlib.pyplot as plt

from sklearn_audio.inspection import (
    GeneratedSamplesDisplay,
    OpenSetRocDisplay,
    ScoreHistogramDisplay,
    TrainingHistoryDisplay,
)

figure, axes = plt.subplot_mosaic(
    [["clips", "clips"], ["losses", "curves"], list(models)],
    figsize=(10, 11),
    layout="constrained",
)
GeneratedSamplesDisplay.from_estimator(
    models["trained to reject"], X, n_samples=7, random_state=0, ax=axes["clips"]
)
TrainingHistoryDisplay.from_estimator(
    models["trained to reject"],
    names=[
        "train_classification",
        "train_confidence",
        "train_detector",
        "train_adversarial",
    ],
    ax=axes["losses"],
)
for (name, model), color in zip(models.items(), ["tab:blue", "tab:gray"], strict=True):
    OpenSetRocDisplay.from_estimator(
        model,
        X_test,
        y_test,
        name=name,
        ax=axes["curves"],
        curve_kwargs={"color": color},
    )
    ScoreHistogramDisplay.from_estimator(
        model, X_test, y_test, name=name, ax=axes[name]
    )
    axes[name].margins(y=0.4)  # room for the legend
axes["losses"].set_title("losses of the game")
axes["curves"].set_title("known against unknown clips")
plt.show()
