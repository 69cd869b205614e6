"""
=========================================
A teacher for a network of a few clips
=========================================

A network that has heard many kinds of sounds can teach one that is to tell a few other
kinds apart: while the small network learns its classes, its embeddings are drawn
towards the teacher's. Here the teacher is trained on ten synthetic sounds and the pupil
has two clips of each of five others; in practice the teacher is more often a published
network (:class:`~sklearn_audio.feature_extraction.PretrainedEmbedding`).
"""

# %%
# A teacher that has heard a lot
# ------------------------------
#
# It is the plain network of the same class, without a penalty. ``embed`` returns what
# its last layer sees.

import numpy as np

from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import LogMelSpectrogram
from sklearn_audio.transfer import EmbeddingRegularizedClassifier

pupils_sounds = ["beeps", "bird", "glass", "helicopter", "pluck"]
teachers_sounds = [
    "bell",
    "chirp",
    "clicks",
    "crackle",
    "drum",
    "engine",
    "rain",
    "siren",
    "whistle",
    "wind",
]
front_end = LogMelSpectrogram(16000, n_mels=32, n_fft=1024, hop_length=512)
clips, names = make_sound_events(400, teachers_sounds, random_state=0)
teacher = EmbeddingRegularizedClassifier(
    penalty=None, max_epochs=15, batch_size=32, device="cpu", random_state=0
).fit(front_end.fit_transform(clips), names)

# %%
# Two clips a class
# -----------------
#
# The pupils start from the same weights, and have ten clips with a name. One is alone
# with them; one is given the teacher's embeddings of these clips, too; and one has them
# for another hundred clips, which nobody has named. To name new clips none of them
# needs the teacher, which is four times as large.

X, y = make_sound_events(140, pupils_sounds, random_state=1)
X_test, y_test = make_sound_events(200, pupils_sounds, random_state=2)
X, X_test = front_end.transform(X), front_end.transform(X_test)
embeddings = teacher.embed(X)
numbers, numbers_test = (
    np.array([pupils_sounds.index(name) for name in names]) for names in (y, y_test)
)


def first_of_each(n_clips):
    rows = [np.flatnonzero(numbers == k)[:n_clips] for k in range(len(pupils_sounds))]
    return np.concatenate(rows)


def train(rows, classes, penalty, max_epochs):
    pupil = EmbeddingRegularizedClassifier(
        penalty=penalty,
        width=4,
        weight=0.5,
        max_epochs=max_epochs,
        lr=5e-3,
        device="cpu",
        random_state=0,
    )
    return pupil.fit(X[rows], classes[rows], embeddings=embeddings[rows])


def train_all(n_clips):
    few, everything = first_of_each(n_clips), np.arange(len(X))
    some_named = np.full(len(X), -1)
    some_named[few] = numbers[few]
    return {
        "alone": train(few, numbers, None, max_epochs=60),
        "with the teacher": train(few, numbers, "con", max_epochs=60),
        "on clips without names, too": train(
            everything, some_named, "con", max_epochs=20
        ),
    }


pupils = train_all(2)
for name, pupil in pupils.items():
    print(f"{name}: {pupil.score(X_test, numbers_test):.2f}")

# %%
# What becomes of the embeddings
# ------------------------------
#
# The test clips as each network embeds them, in the plane in which their classes lie
# farthest apart.

import matplotlib.pyplot as plt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

networks = {"teacher": teacher, **pupils}
fig, axes = plt.subplots(ncols=4, figsize=(12, 3.4), layout="constrained")
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
history = pupils["on clips without names, too"].history_
for part in ("classification", "penalty"):
    ax.plot(history[f"train_{part}"], label=part)
ax.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
ax.legend()

# %%
# How many clips a teacher is worth
# ---------------------------------
#
# It helps where there is but one clip of each class. With more of them, sounds as
# simple as these need no teacher.

n_clips = [1, 2, 4, 8]
trained = [pupils if n == 2 else train_all(n) for n in n_clips]
fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
for name in pupils:
    accuracies = [some[name].score(X_test, numbers_test) for some in trained]
    ax.plot(n_clips, accuracies, "o-", label=name)
ax.axhline(1 / len(pupils_sounds), color="gray", linestyle=":", label="chance")
ax.set(xlabel="named clips of each class", ylabel="accuracy", ylim=(0, 1))
ax.legend()
plt.show()
