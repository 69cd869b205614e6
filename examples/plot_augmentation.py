"""
=================================
What augmentation does to a sound
=================================

Few recordings of a class hold few of the ways in which it may sound.
:class:`~sklearn_audio.augmentation.SpectrogramAugmenter` and
:class:`~sklearn_audio.augmentation.WaveformAugmenter` make others of them: earlier,
faster, higher, louder, brighter, in noise. Here is each effect alone, and what all of
them are worth. The sounds are synthetic.
"""

# %%
# One effect at a time
# --------------------
#
# A siren as a log-mel spectrogram. Every effect is drawn at random within
# the range that its parameter gives. To show one alone, the others are switched off;
# the ranges are wider than the defaults, so that it is plain to see.

from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import LogMelSpectrogram

sounds, _ = make_sound_events(1, classes=["siren"], random_state=1)
spectrograms = LogMelSpectrogram().fit_transform(sounds)

off = {
    "time_shift": None,
    "speed": None,
    "pitch": None,
    "gain": None,
    "equalizer": None,
    "snr": None,
    "n_masks": None,
}
effects = {
    "time_shift": {"time_shift": 0.3},
    "speed": {"speed": 0.6},
    "pitch": {"pitch": 0.3},
    "gain": {"gain": 20},
    "equalizer": {"equalizer": 20},
    "snr": {"snr": (0, 5), "noise_probability": 1},
    "n_masks": {"n_masks": 2, "mask_width": 0.2},
}
pictures = {"original": spectrograms}
for name, ranges in effects.items():
    augmenter = SpectrogramAugmenter(**{**off, **ranges})
    pictures[name] = augmenter.augment(spectrograms, random_state=110)
pictures["all, by default"] = SpectrogramAugmenter().augment(
    spectrograms, random_state=110
)

# %%
# Time runs to the right, from low to high bands is up. The shift and the stretch repeat
# the outermost frame where there is nothing to show. Noise fills what is quiet and
# leaves what is loud. Masks hide bands and frames behind the mean of the clip.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(
    3, 3, figsize=(8, 6.5), sharex=True, sharey=True, layout="constrained"
)
for axis, (title, changed) in zip(axes.flat, pictures.items(), strict=True):
    in_db = axis.imshow(
        changed[0],
        extent=(0, 1, 0, changed.shape[1]),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-60,
        vmax=30,
    )
    axis.set_title(title)
figure.supxlabel("time (s)")
figure.supylabel("mel band")
figure.colorbar(in_db, ax=axes, label="dB")
plt.show()

# %%
# What it is worth
# ----------------
#
# Forty clips, five of each class, to train on.
# :class:`~sklearn_audio.augmentation.AugmentingClassifier` adds four changed copies of
# each, here of the waveforms. The clips of the test are new recordings, and nobody
# changes those.

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.augmentation import AugmentingClassifier, WaveformAugmenter
from sklearn_audio.feature_extraction import SpectrogramStatistics

plain = make_pipeline(
    LogMelSpectrogram(),
    SpectrogramStatistics(),
    StandardScaler(),
    LogisticRegression(max_iter=1000),
)
models = {
    "plain": plain,
    "augmented": AugmentingClassifier(plain, WaveformAugmenter(), random_state=0),
}
X_test, y_test = make_sound_events(300, random_state=100)
for name, model in models.items():
    scores = [
        model.fit(*make_sound_events(40, random_state=seed)).score(X_test, y_test)
        for seed in range(3)
    ]
    print(name, "accuracy of three trainings:", *(f"{score:.2f}" for score in scores))
