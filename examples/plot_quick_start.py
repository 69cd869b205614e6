"""
From audio files to a served classifier that says "unknown"
===========================================================

A folder of recordings, a handful of classes, and sounds of other kinds that turn up in
service. This example goes the whole way: it searches for a front end and a network by
cross-validation with groups, fits the winner, finds the familiarity below which a clip
is unknown, saves the model, and lets a new process load it and answer.

Run as a script, it takes the name of the sounds, "synthetic" by default; "digits" and
"commands" are real speech and need their data sets. A second argument names a folder
for the pictures.
"""

# %%
# Sounds of known and of unknown classes
# --------------------------------------
#
# Three kinds of data end in the same four things: paths, labels, groups (who speaks, or
# which recording a clip comes from), and the known classes.

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sklearn_audio.datasets import (
    load_fsdd,
    load_speech_commands_ar,
    make_sound_events,
    save_clips,
)

scratch = TemporaryDirectory()


def synthetic_sounds():
    known = ["bell", "clicks", "drum", "engine", "pluck", "rain", "siren", "whistle"]
    sounds = make_sound_events(
        280,
        known,
        n_outliers=240,
        outlier_label=None,
        return_X_y=False,
        random_state=0,
    )
    paths = save_clips(
        Path(scratch.name, "recordings"),
        sounds.data,
        sounds.target,
        sample_rate=sounds.sample_rate,
    )
    return np.array(paths), sounds.target, sounds.groups, known


def spoken_digits():
    """The digits 0 to 4 are known; 12 clips of each digit and speaker are enough."""
    digits = load_fsdd()
    takes = np.array([int(Path(path).stem.split("_")[2]) for path in digits.paths])
    some = takes < 12
    known = digits.target_names[:5]
    return digits.paths[some], digits.target[some], digits.groups[some], known


def spoken_commands():
    """Ten Arabic keywords are known, ten others are not; every third clip will do."""
    commands = load_speech_commands_ar()
    some = np.arange(len(commands.paths)) % 3 == 0
    known = np.unique(commands.target[commands.role == "known"])
    return commands.paths[some], commands.target[some], commands.groups[some], known


name = sys.argv[1] if len(sys.argv) > 1 else "synthetic"
load = {
    "synthetic": synthetic_sounds,
    "digits": spoken_digits,
    "commands": spoken_commands,
}[name]
paths, labels, groups, known_classes = load()

is_known = np.isin(labels, known_classes)
print(f"{len(paths)} clips, known: {', '.join(known_classes)}")

# %%
# The test must hold what the model cannot have met: other groups, and other unknown
# classes than those that the search is judged by.

rng = np.random.RandomState(0)
all_groups = np.unique(groups)
test_groups = rng.choice(all_groups, max(2, len(all_groups) // 4), replace=False)
unknown_classes = rng.permutation(np.unique(labels[~is_known]))
half = (len(unknown_classes) + 1) // 2
search_unknown, test_unknown = unknown_classes[:half], unknown_classes[half:]
in_test_group = np.isin(groups, test_groups)
in_search = ~in_test_group & (is_known | np.isin(labels, search_unknown))
in_test = in_test_group & (is_known | np.isin(labels, test_unknown))
print(f"unknown in the search: {', '.join(search_unknown)}")
print(f"unknown in the test: {', '.join(test_unknown)}")

# %%
# One pipeline from path to answer
# --------------------------------
#
# :class:`~sklearn_audio.open_set.RejectingClassifier` stands last, so that the front
# end runs once a clip. It rejects nothing yet: which network to take is decided without
# a threshold. The cache keeps each front end's output for all networks that follow it.

from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from sklearn_audio.feature_extraction import AudioLoader, LogMelSpectrogram
from sklearn_audio.metrics import get_scorer
from sklearn_audio.model_selection import OpenSetSplit
from sklearn_audio.open_set import RejectingClassifier, ScatteringResNetClassifier

network = ScatteringResNetClassifier(width=8, max_epochs=20, random_state=0)
pipeline = make_pipeline(
    AudioLoader(sample_rate=16000, duration=1.0),
    LogMelSpectrogram(sample_rate=16000, hop_length=512, n_fft=1024),
    RejectingClassifier(network, rejection_rate=None),
    memory=str(Path(scratch.name, "cache")),
)

# %%
# A feature parameter and a model parameter are searched together. The unknown classes
# of the search stand in for what may come: they are tested in each fold and never
# trained on. OSCR asks for both: clips of known classes are to be recognised, and those
# of unknown classes to be less familiar. ``refit=False``, because a refit would train
# on the unknown classes as well.

search = GridSearchCV(
    pipeline,
    {
        "logmelspectrogram__n_mels": [32, 64],
        "rejectingclassifier__estimator__lr": [1e-3, 3e-3],
    },
    scoring=get_scorer("oscr"),
    cv=OpenSetSplit(2, unknown_classes=search_unknown, random_state=0),
    refit=False,
    n_jobs=2,
    error_score="raise",
)
search.fit(paths[in_search], labels[in_search], groups=groups[in_search])
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"OSCR {score:.3f} with {parameters}")

# %%
# Fit it on what is known, and let it say "unknown"
# -------------------------------------------------
#
# One known clip in twenty may be rejected. The threshold is found on clips of groups
# that the scoring network has not heard.

import sklearn

train = in_search & is_known
model = pipeline.set_params(
    **search.best_params_,
    rejectingclassifier__rejection_rate=0.05,
    rejectingclassifier__cv=StratifiedGroupKFold(3),
)
with sklearn.config_context(enable_metadata_routing=True):
    model.fit(paths[train], labels[train], groups=groups[train])

# %%
# Serve it
# --------
#
# The dump goes to another process, which knows nothing but the file.

import joblib

model.set_params(memory=None)  # the cache is of no use to a server
joblib.dump(model, Path(scratch.name, "model.joblib"))
joblib.dump(paths[in_test], Path(scratch.name, "paths.joblib"))
server = """
import sys, joblib
folder = sys.argv[1]
model = joblib.load(folder + "/model.joblib")
paths = joblib.load(folder + "/paths.joblib")
joblib.dump(model.predict(paths), folder + "/answers.joblib")
"""
subprocess.run([sys.executable, "-c", server, scratch.name], check=True)
answers = joblib.load(Path(scratch.name, "answers.joblib"))
assert (answers == model.predict(paths[in_test])).all()

# %%
# What became of each class, and how well do known and unknown clips separate?

from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay, accuracy_score

from sklearn_audio.metrics import open_set_accuracy, open_set_auroc, oscr_score

truth = labels[in_test]
familiarity = model.score_samples(paths[in_test])
closed_set = model.classes_[model.predict_proba(paths[in_test]).argmax(axis=1)]
known = is_known[in_test]
figures = {
    "closed-set accuracy": accuracy_score(truth[known], closed_set[known]),
    "AUROC": open_set_auroc(known, familiarity),
    "OSCR": oscr_score(truth, closed_set, familiarity, known_labels=model.classes_),
    "open-set accuracy": open_set_accuracy(
        truth, answers, known_labels=model.classes_, outlier_label="unknown"
    ),
    "known clips rejected": (answers[known] == "unknown").mean(),
    "unknown clips rejected": (answers[~known] == "unknown").mean(),
}
for what, value in figures.items():
    print(f"{name}: {what} {value:.3f}")

# %%
import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(
    1, 2, figsize=(12, 5), width_ratios=[3, 2], layout="constrained"
)
ConfusionMatrixDisplay.from_predictions(
    np.where(known, truth, "unknown"),
    answers,
    labels=[*model.classes_, "unknown"],
    xticks_rotation="vertical",
    cmap="Blues",
    colorbar=False,
    ax=left,
)
left.set_title("Answers")
RocCurveDisplay.from_predictions(
    known, familiarity, name="familiarity", plot_chance_level=True, ax=right
)
right.set(
    title="Known against unknown clips",
    xlabel="unknown clips accepted",
    ylabel="known clips accepted",
)
if len(sys.argv) > 2:
    figure.savefig(Path(sys.argv[2], f"quick_start_{name}.png"), dpi=100)
scratch.cleanup()
plt.show()
