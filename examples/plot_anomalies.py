"""
====================================
What happens that should not happen?
====================================

A detector of anomalies is trained on normal sound alone. Here it is rain, and what is
foreign to it are bells and breaking glass.
:class:`~sklearn_audio.anomaly.GMGANDetector` stands beside a simple detector: first on
clips of a second, then on a recording. The sounds are synthetic.
"""

# %%
# Rain, and foreign events in the rain
# ------------------------------------
#
# Recordings of rain, half a minute each, without their beginnings and ends. The seconds
# of ten of them are there to train on; those of five others are the test, in which half
# of the seconds get an event. For the half second that it lasts, it is 6 dB below the
# rain.

from sklearn_audio.datasets import make_anomalous_scenes, make_sound_events

RATE = 16000
recordings, _ = make_sound_events(20, classes=["rain"], duration=60.0, random_state=0)
recordings = recordings[:, 15 * RATE : -15 * RATE]
normal, test, calibration = recordings[:10], recordings[10:15], recordings[15:]
events, _ = make_sound_events(40, classes=["bell", "glass"], random_state=1)
scenes = make_anomalous_scenes(
    test.reshape(-1, RATE), events, ebr_db=-6, sample_rate=RATE, random_state=0
)

# %%
# Two detectors
# -------------
#
# Each is a pipeline from waveforms to a score, higher = more normal. That of the
# network is how usual the errors are that it makes when it copies a clip; that of the
# other one is the distance to the nearest clips of the training, by how much each band
# of the spectrogram varies. The partial AUC counts only thresholds at which at most a
# tenth of the normal clips raises an alarm; .5 is chance in both.

from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_audio.anomaly import GMGANDetector, NearestNeighborsDetector
from sklearn_audio.feature_extraction import LogMelSpectrogram, SpectrogramStatistics
from sklearn_audio.metrics import partial_auc

front_end = LogMelSpectrogram(RATE, n_mels=32, hop_length=512)
detectors = {
    "network": make_pipeline(
        front_end, GMGANDetector(contamination=None, random_state=0)
    ),
    "neighbours": make_pipeline(
        front_end,
        SpectrogramStatistics(["std"]),
        StandardScaler(),
        NearestNeighborsDetector(),
    ),
}
for name, detector in detectors.items():
    scores = detector.fit(normal.reshape(-1, RATE)).score_samples(scenes.data)
    print(
        f"{name}: AUC {roc_auc_score(scenes.target, scores):.2f}, "
        f"partial AUC {partial_auc(scenes.target, scores):.2f}"
    )

# %%
# What the network sees
# ---------------------
#
# *To the left*, latent vectors, in the plane in which those of normal clips spread
# most. *To the right*, clips, their copies and the difference: the two strangest of the
# test, and the two least strange. An encoder that never met an event hardly encodes it,
# so that it is the copies that tell.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_audio.inspection import LatentSpaceDisplay, ReconstructionDisplay

network = detectors["network"]
strangest = np.argsort(network.score_samples(scenes.data))
shown = scenes.data[[*strangest[:2], *strangest[-2:]]]
figure, axes = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
LatentSpaceDisplay.from_estimator(network, scenes.data, scenes.target, ax=axes[0])
ReconstructionDisplay.from_estimator(network, shown, ax=axes[1])
plt.show()

# %%
# A recording, moment by moment
# -----------------------------
#
# :class:`~sklearn_audio.anomaly.FramedDetector` slides a detector over recordings of
# any length, here one that is fitted already. It takes its threshold from normal
# recordings that the detector has not seen: at most one in twenty may raise an alarm.
# The recording to be watched is half a minute of rain, with three events.

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_audio.anomaly import FramedDetector
from sklearn_audio.inspection import AnomalyScoreDisplay

watched = test[0].copy()
true_events = []
for second, event in zip((6, 14.5, 23), events[:3], strict=True):
    start = int(second * RATE)
    watched[start : start + len(event)] += watched.std() / event.std() * event
    true_events.append((second, second + len(event) / RATE))

framed = FramedDetector(FrozenEstimator(network), RATE, hop_duration=0.25)
times, curve = framed.fit(calibration).score_curve(watched)
AnomalyScoreDisplay.from_predictions(
    times,
    curve,
    threshold=framed.offset_,
    frame_duration=1.0,
    true_events=true_events,
    detected_events=framed.detect_events(watched),
    spectrogram=clone(front_end).fit_transform([watched])[0],
    duration=len(watched) / RATE,
)
plt.show()

# %%
# Synthetic rain is steadier than any real one, and events are easily told from it. On
# real sounds the background differs from recording to recording;
# :doc:`/user_guide/anomaly` says what to do about that, and how far it goes.
