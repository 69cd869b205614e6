"""
===========================================
Naming sounds that have no training clips
===========================================

A class that has a name and no clips can be recognised all the same, if it is known how
its meaning lies to that of other classes. Here the meaning of a class is a row of
properties that somebody wrote down; in practice it is more often the mean of word
vectors (:class:`~sklearn_audio.zero_shot.LabelEmbedding`). The sounds are synthetic.
"""

# %%
# Fifteen sounds and what is known of them
# ----------------------------------------
#
# How tonal, noisy, abrupt, repeated, gliding, high and lingering is each sound? Four of
# them will be recognised without having been heard: bird, glass, helicopter and beeps.

import numpy as np

from sklearn_audio.datasets import make_sound_events

properties = {
    #             tonal noisy abrupt repeated gliding high lingering
    "bell": [1.0, 0.0, 0.9, 0.0, 0.0, 0.7, 0.9],
    "beeps": [1.0, 0.0, 0.6, 0.9, 0.0, 0.7, 0.2],
    "bird": [1.0, 0.1, 0.5, 0.9, 1.0, 1.0, 0.0],
    "chirp": [1.0, 0.0, 0.2, 0.0, 1.0, 0.6, 0.3],
    "clicks": [0.0, 0.8, 1.0, 0.9, 0.0, 0.9, 0.0],
    "crackle": [0.0, 1.0, 0.9, 0.6, 0.0, 0.5, 0.0],
    "drum": [0.4, 0.3, 1.0, 0.3, 0.3, 0.0, 0.3],
    "engine": [0.7, 0.5, 0.0, 0.3, 0.0, 0.0, 1.0],
    "glass": [0.7, 0.2, 0.9, 0.8, 0.0, 1.0, 0.3],
    "helicopter": [0.2, 0.9, 0.6, 1.0, 0.0, 0.1, 0.8],
    "pluck": [1.0, 0.0, 1.0, 0.0, 0.0, 0.4, 0.6],
    "rain": [0.0, 1.0, 0.1, 0.3, 0.0, 0.8, 1.0],
    "siren": [1.0, 0.0, 0.0, 0.4, 0.9, 0.5, 1.0],
    "whistle": [1.0, 0.2, 0.0, 0.0, 0.6, 0.8, 0.8],
    "wind": [0.0, 1.0, 0.0, 0.0, 0.2, 0.2, 1.0],
}
unseen = ["beeps", "bird", "glass", "helicopter"]
seen = [name for name in properties if name not in unseen]
X, y = make_sound_events(30 * len(seen), classes=seen, random_state=0)
X_test, y_test = make_sound_events(300, classes=list(properties), random_state=1)
is_unseen = np.isin(y_test, unseen)

# %%
# From clips to properties to names
# ---------------------------------
#
# Statistics of spectrograms stand in for the embeddings of a pre-trained network
# (:class:`~sklearn_audio.feature_extraction.PretrainedEmbedding`). The bilinear model
# learns from the eleven seen classes how statistics and properties go together, and
# then chooses among names that it never met.

from sklearn.pipeline import make_pipeline

from sklearn_audio.feature_extraction import LogMelSpectrogram, SpectrogramStatistics
from sklearn_audio.metrics import harmonic_mean_accuracy
from sklearn_audio.zero_shot import BilinearZeroShot

front_end = make_pipeline(
    LogMelSpectrogram(16000, n_mels=32, hop_length=256),
    SpectrogramStatistics(["mean", "std", "delta_std"]),
)
features, features_test = front_end.fit_transform(X), front_end.transform(X_test)
model = BilinearZeroShot(properties, candidate_classes=unseen).fit(features, y)
accuracy = model.score(features_test[is_unseen], y_test[is_unseen])
print(f"among the four unseen classes: {accuracy:.2f} (chance: 0.25)")

# %%
# Which classes are taken for which
# ---------------------------------
#
# To the left, all fifteen classes are candidates. Classes that were trained on attract
# the clips of those that were not. A penalty on their scores, to the right, balances
# the two; the harmonic mean of the accuracies on both kinds measures the balance. In
# earnest, choose the penalty on classes that are held out of the training.

import matplotlib.pyplot as plt

from sklearn_audio.inspection import CategoryConfusionDisplay

model.set_candidates(None)
kinds = {name: "unseen" if name in unseen else "seen" for name in properties}
fig, axes = plt.subplots(ncols=2, figsize=(11, 5.2), layout="compressed")
for ax, penalty in zip(axes, (0.0, 0.15), strict=True):
    answers = model.set_params(seen_penalty=penalty).predict(features_test)
    balance = harmonic_mean_accuracy(y_test, answers, seen_classes=seen)
    CategoryConfusionDisplay.from_predictions(y_test, answers, categories=kinds, ax=ax)
    ax.set_title(f"penalty {penalty}: harmonic mean {balance:.2f}")

# %%
# One clip is worth many words
# ----------------------------
#
# Clips of the new classes go to ``fit`` like all others. With none, names are all there
# is; with every further clip they matter less.

names = np.array(unseen)
X_shots, y_shots = make_sound_events(8 * len(unseen), classes=unseen, random_state=2)
features_shots = front_end.transform(X_shots)
n_shots, found = [0, 1, 2, 4, 8], []
for n in n_shots:
    shots = np.concatenate([np.flatnonzero(y_shots == name)[:n] for name in names])
    model = BilinearZeroShot(properties, candidate_classes=unseen).fit(
        np.concatenate([features, features_shots[shots]]),
        np.concatenate([y, y_shots[shots]]),
    )
    found.append(model.score(features_test[is_unseen], y_test[is_unseen]))
fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
ax.plot(n_shots, found, "o-")
ax.axhline(1 / len(unseen), color="gray", linestyle=":", label="chance")
ax.set(
    xlabel="training clips of each new class",
    ylabel="accuracy among the new classes",
    ylim=(0, 1),
)
ax.legend()
plt.show()
