"""
=====================
Known against unknown
=====================

How well does a classifier tell sounds of its classes from sounds of other kinds?
:class:`~sklearn_audio.inspection.ScoreHistogramDisplay` and
:class:`~sklearn_audio.inspection.OpenSetRocDisplay` show what a single figure hides.
The question here is what more training clips buy; the sounds are synthetic.
"""

# %%
# One classifier, few clips and many
# ----------------------------------
#
# The classifier is trained on eight kinds of sounds, five clips of each or fifty.
# :class:`~sklearn_audio.open_set.RejectingClassifier` finds the familiarity below which
# a clip is unknown, so that one known clip in ten may be lost. Here familiarity is the
# largest decision value.

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import LogMelSpectrogram, SpectrogramStatistics
from sklearn_audio.open_set import RejectingClassifier

models = {}
for n_clips in (40, 400):
    X, y = make_sound_events(n_clips, random_state=0)
    classifier = make_pipeline(
        LogMelSpectrogram(n_mels=32),
        SpectrogramStatistics(),
        StandardScaler(),
        RejectingClassifier(
            LogisticRegression(), familiarity="max_decision", rejection_rate=0.1
        ),
    )
    models[f"{n_clips} training clips"] = classifier.fit(X, y)

# %%
# The test holds new recordings of the eight kinds, and seven kinds that no classifier
# has heard. Labels that are not among its ``classes_`` count as unknown.

X_test, y_test = make_sound_events(240, n_outliers=240, random_state=1)
print("known:", ", ".join(classifier.classes_))
print("accuracy if nothing were rejected:")
for name, model in models.items():
    known = y_test != "unknown"
    best = model.classes_[model.predict_proba(X_test[known]).argmax(axis=1)]
    print(f"  {name}: {(best == y_test[known]).mean():.2f}")

# %%
# How familiar are they?
# ----------------------
#
# Left of the dashed line, clips are rejected: orange to the right of it are unknown
# clips that get a name, blue to the left of it are known clips that are lost. More
# training clips make both sides more familiar, but the known ones far more. The same
# bins for both make the pictures comparable.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_audio.inspection import ScoreHistogramDisplay

figure, axes = plt.subplots(
    2, 1, figsize=(8, 6), sharex=True, sharey=True, layout="constrained"
)
for axis, (name, model) in zip(axes, models.items(), strict=True):
    ScoreHistogramDisplay.from_estimator(
        model, X_test, y_test, name=name, ax=axis, bins=np.linspace(0, 30, 61)
    )
    axis.label_outer()

# %%
# What would other thresholds accept?
# -----------------------------------
#
# Each point of a curve is one threshold. The ROC curve asks whether known clips are
# accepted, the OSCR curve whether they are named rightly as well. The gap between the
# two is the price of wrong names: it is wide after 40 clips, and all but closed after
# 400. The dashed line is where a ROC curve lies if familiarity tells nothing.

from sklearn_audio.inspection import OpenSetRocDisplay

figure, axis = plt.subplots(figsize=(6, 6), layout="constrained")
for color, (name, model) in zip(["tab:gray", "tab:blue"], models.items(), strict=True):
    for curve, style in [("roc", "-"), ("oscr", ":")]:
        OpenSetRocDisplay.from_estimator(
            model,
            X_test,
            y_test,
            curve=curve,
            name=name,
            ax=axis,
            curve_kwargs={"color": color, "linestyle": style},
        )
axis.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle="--")
axis.set_title("ROC (solid) and OSCR (dotted)")
plt.show()
