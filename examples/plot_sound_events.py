"""
=======================
Synthetic sound events
=======================

:func:`~sklearn_audio.datasets.make_sound_events` makes labelled clips without any file
or network: eight classes to train on, and seven more that a classifier has never heard.
This page draws a spectrogram of each class.
"""

# %%
# One clip of each class
# ----------------------
#
# ``outlier_label=None`` keeps the names of the classes that are not among the known
# ones; by default they are all called "unknown". A high signal-to-noise ratio makes for
# clear pictures.

from sklearn_audio.datasets import make_sound_events

data = make_sound_events(
    8,
    n_outliers=7,
    outlier_label=None,
    snr_db=(30, 40),
    duration=1.5,
    return_X_y=False,
    random_state=2,
)
print(data.data.shape, data.data.dtype)
print(", ".join(data.target_names))

# %%
# Their spectrograms
# ------------------
#
# The known classes stand in the upper two rows. Some outliers resemble a known class:
# a bird whistles, a helicopter rumbles like an engine. A plain classifier calls them by
# a wrong name; an open-set classifier says "unknown".

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import stft

known = make_sound_events(8, return_X_y=False, random_state=0).target_names
outliers = np.setdiff1d(data.target_names, known)

figure, axes = plt.subplots(
    4, 4, figsize=(9, 8), sharex=True, sharey=True, layout="constrained"
)
for axis, name in zip(axes.flat, [*known, *outliers], strict=False):
    clip = data.data[data.target == name][0]
    frequency, time, spectrum = stft(
        clip, data.sample_rate, nperseg=512, noverlap=384, boundary=None
    )
    level = 20 * np.log10(np.abs(spectrum) + 1e-9)
    axis.pcolormesh(
        time,
        frequency / 1000,
        level,
        vmin=level.max() - 60,
        vmax=level.max(),
        cmap="magma",
        rasterized=True,
    )
    axis.set_title(name, color="black" if name in known else "tab:red")
axes.flat[-1].axis("off")
figure.supxlabel("time (s)")
figure.supylabel("frequency (kHz)")
figure.suptitle("Sound events: known classes in black, outliers in red")
plt.show()

# %%
# An open-set problem in two lines
# --------------------------------
#
# Known sounds to train on, and new ones mixed with outliers to test on. A new seed
# makes new recordings: other bells, other rooms.

X, y = make_sound_events(160, random_state=0)
X_test, y_test = make_sound_events(80, n_outliers=80, random_state=1)
print(sorted(set(y_test.tolist()) - set(y.tolist())))
