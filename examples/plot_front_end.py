"""
==============================
What the front end hands over
==============================

From clips to what a network sees:
:class:`~sklearn_audio.feature_extraction.AudioLoader` makes waveforms of one rate and
one length, :class:`~sklearn_audio.feature_extraction.LogMelSpectrogram` turns them into
pictures, and :class:`~sklearn_audio.feature_extraction.SpectrogramStatistics` turns
those into a few numbers for classifiers that take tables. The sounds are synthetic.
"""

# %%
# Clips of unequal length
# -----------------------
#
# Recordings seldom have one length. Here every clip is cut to a random one between 0.75
# and 1.5 seconds. The loader pads the short ones with silence and crops the long ones.
# It would take the paths of files as well.

import numpy as np

from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import AudioLoader

sounds = make_sound_events(160, duration=1.5, return_X_y=False, random_state=0)
rng = np.random.default_rng(0)
clips = [clip[: rng.integers(12000, 24000)] for clip in sounds.data]
print("lengths in samples:", [clip.size for clip in clips[:5]], "...")

loader = AudioLoader(sample_rate=16000, duration=1.0)
waveforms = loader.fit_transform(clips)
print("waveforms:", waveforms.shape, waveforms.dtype)

# %%
# In dB, and standardised
# -----------------------
#
# Each picture has one row per mel band and one column per 10 ms. In dB, most of the
# contrast is between low and high bands: the same in every clip, and so of no use. To
# standardise is to take the mean of each band off and to divide by its spread, both
# learned from all clips in ``fit``. What is left is what makes a clip different.

from sklearn_audio.feature_extraction import LogMelSpectrogram

decibels = LogMelSpectrogram(sample_rate=16000).fit_transform(waveforms)
standardizer = LogMelSpectrogram(sample_rate=16000, scaling="standardize")
standardized = standardizer.fit_transform(waveforms)
print("spectrograms:", decibels.shape, decibels.dtype)

# %%
# The shortest clip of four classes, from top to bottom: its waveform, its log-mel
# spectrogram in dB, the standardised one. The flat end is the silence that was added:
# 80 dB below the loudest value of the clip.

import matplotlib.pyplot as plt

names = ["bell", "engine", "rain", "siren"]
figure, axes = plt.subplots(
    3, 4, figsize=(10, 6.5), sharex=True, sharey="row", layout="constrained"
)
extent = (0, 1, 0, decibels.shape[1])
for column, name in zip(axes.T, names, strict=True):
    clip = min(np.flatnonzero(sounds.target == name), key=lambda i: clips[i].size)
    column[0].plot(np.arange(16000) / 16000, waveforms[clip], linewidth=0.5)
    column[0].set_title(name)
    in_db = column[1].imshow(
        decibels[clip], extent=extent, origin="lower", aspect="auto", cmap="magma"
    )
    in_db.set_clim(-70, 20)
    scaled = column[2].imshow(
        standardized[clip],
        extent=extent,
        origin="lower",
        aspect="auto",
        cmap="coolwarm",
    )
    scaled.set_clim(-3, 3)
axes[0, 0].set_ylabel("amplitude")
axes[1, 0].set_ylabel("mel band")
axes[2, 0].set_ylabel("mel band")
figure.supxlabel("time (s)")
figure.colorbar(in_db, ax=axes[1], label="dB")
figure.colorbar(scaled, ax=axes[2], label="standard deviations")
plt.show()

# %%
# A few numbers for a plain classifier
# ------------------------------------
#
# With 160 clips, a support vector machine on the mean, the spread and the movement of
# each band does better than the same one on all 6464 pixels. Clips of a group share
# their source, so the groups stay together in a fold.

from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_audio.feature_extraction import SpectrogramStatistics

ways = {
    "statistics": [LogMelSpectrogram(), SpectrogramStatistics()],
    "all pixels": [LogMelSpectrogram(flatten=True)],
}
for name, steps in ways.items():
    model = make_pipeline(loader, *steps, StandardScaler(), SVC())
    scores = cross_val_score(
        model, clips, sounds.target, groups=sounds.groups, cv=GroupKFold(5)
    )
    print(f"{name}: accuracy {scores.mean():.2f} ± {scores.std():.2f}")
