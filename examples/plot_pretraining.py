"""
==========================================
Learning from sounds that nobody labelled
==========================================

Recording is cheap, labelling is not. A network can first learn to copy all clips, and
then to name the few that have a label. The sounds are synthetic, and the networks
small, so that this page is made in a minute.
"""

# %%
# Many clips, few labels
# ----------------------
#
# Ten kinds of sounds, 300 clips.

import numpy as np

from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import LogMelSpectrogram

names = [
    "beeps",
    "bell",
    "bird",
    "chirp",
    "crackle",
    "drum",
    "engine",
    "glass",
    "siren",
    "whistle",
]
sounds, y = make_sound_events(300, names, random_state=0)
front_end = LogMelSpectrogram(16000, n_mels=32, n_fft=1024, hop_length=512)
X = front_end.fit_transform(sounds)

# %%
# Copies
# ------
#
# An autoencoder keeps one value in four, three times. "unpooling" remembers from where,
# "upsampling" does not, so that its copies are blurred: what it keeps must be in the
# code.

import matplotlib.pyplot as plt

from sklearn_audio.inspection import ReconstructionDisplay
from sklearn_audio.semi_supervised import ConvAutoencoder

autoencoders = {
    decoder: ConvAutoencoder(
        width=16, decoder=decoder, max_epochs=15, random_state=0
    ).fit(X)
    for decoder in ("unpooling", "upsampling")
}
ReconstructionDisplay.from_estimators(autoencoders, X, n_clips=3)
plt.show()

# %%
# What the first layer looks for
# ------------------------------
#
# Kernels of 5 bands and 5 frames. After so short a training on so few clips they are
# still rough.

from sklearn_audio.inspection import FilterDisplay

FilterDisplay.from_estimator(autoencoders["unpooling"])
plt.show()

# %%
# Accuracy against labels
# -----------------------
#
# Both networks are the same but for where they start from. Labels that are hidden are
# -1; the autoencoder of each fold has seen all clips of its training part. Of few
# clips, small batches make more steps.
#
# With so few and so simple sounds, where a network starts from makes no difference that
# is larger than that between the folds. On real recordings it is worth two points of
# accuracy: :doc:`/user_guide/semi_supervised`.

from sklearn.model_selection import StratifiedKFold

from sklearn_audio.inspection import LabelFractionDisplay
from sklearn_audio.semi_supervised import CAEPretrainedClassifier

small = ConvAutoencoder(width=16, max_epochs=20)
settings = {"max_epochs": 40, "batch_size": 8, "random_state": 0}
_, codes = np.unique(y, return_inverse=True)
display = LabelFractionDisplay.from_estimators(
    {
        "pre-trained": CAEPretrainedClassifier(small, **settings),
        "from scratch": CAEPretrainedClassifier(small, pretrain=False, **settings),
    },
    X,
    codes,
    label_counts=[20, 50, 150],
    cv=StratifiedKFold(2, shuffle=True, random_state=0),
    random_state=0,
)
plt.show()
for name, scores in display.scores.items():
    print(f"{name}: {scores.mean(axis=1).round(2)}")
