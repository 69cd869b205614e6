"""
=========================================
A teacher for a network of a few clips
=========================================

A network that has heard many kinds of sounds can teach one that is to tell a few other
kinds apart: while the small network learns its classes, its embeddings are drawn
towards the teacher's. Here the teacher is trained on ten synthetic sounds, and the
pupil has two clips of each of five others, all in noise; in practice the teacher is
more often a published network
(:class:`~sklearn_audio.feature_extraction.PretrainedEmbedding`).
"""

# %%
# A teacher that has heard a lot
# ------------------------------
#
# It is the plain network of the same class, without a penalty. ``embed`` returns what
# its last layer sees.

from functools import partial

import numpy as np

from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import LogMelSpectrogram
from sklearn_audio.transfer import EmbeddingRegularizedClassifier

pupils_sounds = ["beeps", "bird", "chirp", "siren", "whistle"]
teachers_sounds = [
    "bell",
    "clicks",
    "crackle",
    "drum",
    "engine",
    "glass",
    "helicopter",
    "pluck",
    "rain",
    "wind",
]
record = partial(make_sound_events, snr_db=(-10.0, 10.0))
front_end = LogMelSpectrogram(16000, n_mels=32, n_fft=1024, hop_length=512)
clips, names = record(600, teachers_sounds, random_state=0)
teacher = EmbeddingRegularizedClassifier(
    penalty=None, max_epochs=20, batch_size=32, device="cpu", random_state=0
).fit(front_end.fit_transform(clips), names)

# %%
# Two clips a class
# -----------------
#
# Two pupils start from the same weights, and train on the same ten clips. One of them
# is given the teacher's embeddings of these clips, too. To name new clips neither needs
# the teacher, which is four times as large.

clips, y = record(120, pupils_sounds, random_state=1)
X, embeddings = front_end.transform(clips), teacher.embed(front_end.transform(clips))
clips, y_test = record(200, pupils_sounds, random_state=2)
X_test = front_end.transform(clips)


def train(n_clips, penalty, seed=0):
    rows = [np.flatnonzero(y == sound)[:n_clips] for sound in pupils_sounds]
    rows = np.concatenate(rows)
    pupil = EmbeddingRegularizedClassifier(
        penalty=penalty,
        width=4,
        max_epochs=100,
        lr=5e-3,
        device="cpu",
        random_state=seed,
    )
    return pupil.fit(X[rows], y[rows], embeddings=embeddings[rows])


pupils = {"alone": train(2, None), "with the teacher": train(2, "con")}
for name, pupil in pupils.items():
    print(f"{name}: {pupil.score(X_test, y_test):.2f}")

# %%
# What becomes of the embeddings
# ------------------------------
#
# The test clips as each network embeds them, in the plane in which their classes lie
# farthest apart.

import matplotlib.pyplot as plt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

networks = {"teacher": teacher, **pupils}
fig, axes = plt.subplots(ncols=3, figsize=(10, 3.6), layout="constrained")
for ax, (name, network) in zip(axes, networks.items(), strict=True):
    plane = LinearDiscriminantAnalysis(n_components=2, solver="eigen", shrinkage=0.1)
    points = plane.fit_transform(network.embed(X_test), y_test)
    for sound in pupils_sounds:
        ax.scatter(*points[y_test == sound].T, s=8, label=sound)
    ax.set(title=name, xticks=[], yticks=[])
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)

# %%
# The two parts of the loss
# -------------------------
#
# The penalty, one minus the cosine between both embeddings, falls with the
# cross-entropy. That it does not fall to zero is as it should be: the small network
# takes over what it can make out in its clips.

fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
history = pupils["with the teacher"].history_
for part in ("classification", "penalty"):
    ax.plot(history[f"train_{part}"], label=part)
ax.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
ax.legend()

# %%
# How many clips a teacher is worth
# ---------------------------------
#
# Its worth is greatest where clips are fewest, and gone with four of each class: by
# then the pupil has learnt from its own clips what sets these sounds apart. Dots are
# pupils from other initial weights, lines their means.

n_clips, seeds = [1, 2, 4], range(3)
fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
for name, penalty in {"alone": None, "with the teacher": "con"}.items():
    accuracies = [
        [train(n, penalty, seed).score(X_test, y_test) for n in n_clips]
        for seed in seeds
    ]
    (line,) = ax.plot(n_clips, np.mean(accuracies, axis=0), label=name)
    ax.plot(n_clips, np.transpose(accuracies), ".", color=line.get_color())
ax.axhline(1 / len(pupils_sounds), color="gray", linestyle=":", label="chance")
ax.set(
    xlabel="training clips of each class",
    ylabel="accuracy",
    xticks=n_clips,
    ylim=(0, 1),
)
ax.legend()
plt.show()
