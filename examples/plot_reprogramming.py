"""
============================
A network put to another use
============================

A network that learned eight sounds from clean recordings is to tell six others apart,
which a poor recorder took. Nothing in it is changed:
:class:`~sklearn_audio.transfer.ReprogrammedClassifier` learns what to show it, and what
its embeddings mean. The sounds are synthetic, and the network is small; published ones
are used in the same way.
"""

# %%
# A network that knows eight sounds
# ---------------------------------
#
# Any network of PyTorch will do that makes embeddings of spectrograms. Here it is that
# of a classifier of this package.

from sklearn_audio.datasets import make_sound_events
from sklearn_audio.feature_extraction import LogMelSpectrogram
from sklearn_audio.open_set import ScatteringResNetClassifier

known = ["bell", "bird", "clicks", "drum", "engine", "rain", "siren", "wind"]
front_end = LogMelSpectrogram(n_mels=32, hop_length=512)
clips, labels = make_sound_events(400, known, random_state=0)
classifier = ScatteringResNetClassifier(
    first_stage="convolution", width=8, max_epochs=20, random_state=0
)
classifier.fit(front_end.fit_transform(clips), labels)
network = classifier.modules_["module"]

# %%
# Six others, through a poor recorder
# -----------------------------------
#
# The recorder makes loud sounds softer and soft ones louder: a quarter of the dynamics
# is left. There are eight clips of each class to train on.

new = ["beeps", "chirp", "glass", "helicopter", "pluck", "whistle"]


def record(spectrograms):
    return 0.25 * spectrograms - 45


clips, y_train = make_sound_events(48, new, random_state=1)
X_train = record(front_end.transform(clips))
clips, y_test = make_sound_events(240, new, random_state=2)
X_clean = front_end.transform(clips)
X_test = record(X_clean)

# %%
# What stands before the network
# ------------------------------
#
# Nothing, two convolutions, or a U-Net. Behind it is a linear map in each case. The
# last rival is the same network, trained on the 48 clips from scratch.

from sklearn.base import clone

from sklearn_audio.transfer import ReprogrammedClassifier

settings = {"backbone": network, "max_epochs": 40, "lr": 0.02}
models = {
    "map alone": ReprogrammedClassifier(input_transform=None, **settings),
    "CNN and map": ReprogrammedClassifier(input_transform="cnn", **settings),
    "U-Net and map": ReprogrammedClassifier(input_transform="unet", **settings),
    "from scratch": clone(classifier).set_params(max_epochs=40),
}
accuracies, n_trained = {}, {}
for name, model in models.items():
    model.set_params(random_state=0).fit(X_train, y_train)
    accuracies[name] = model.score(X_test, y_test)
    n_trained[name] = sum(
        weight.numel()
        for weight in model.modules_["module"].parameters()
        if weight.requires_grad
    )
    print(f"{name}: {accuracies[name]:.2f}, {n_trained[name]} parameters trained")

# %%
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
bars = ax.barh(list(accuracies), list(accuracies.values()))
ax.bar_label(bars, [f"{n} trained" for n in n_trained.values()], padding=3)
ax.axvline(1 / len(new), color="black", linestyle=":")
ax.set(xlabel="accuracy on test clips (dotted: chance)", xlim=(0, 1))
ax.invert_yaxis()
plt.show()

# %%
# What the network is shown
# -------------------------
#
# The transforms have learned to undo some of what the recorder did, because that helps
# to tell the classes apart: nobody showed them a clean clip. They need not make things
# look as they were.

rows = [list(y_test).index(name) for name in ("chirp", "glass", "helicopter")]
columns = {
    "clean": X_clean[rows],
    "recorded": X_test[rows],
    "behind the CNN": models["CNN and map"].reprogram(X_test[rows]),
    "behind the U-Net": models["U-Net and map"].reprogram(X_test[rows]),
}
fig, axes = plt.subplots(
    len(rows), len(columns), figsize=(10, 6), layout="constrained", sharex=True
)
for column, (title, pictures) in enumerate(columns.items()):
    for row, picture in enumerate(pictures):
        ax = axes[row, column]
        image = ax.imshow(picture, origin="lower", aspect="auto", vmin=-80, vmax=0)
        ax.set(xticks=[], yticks=[])
        if row == 0:
            ax.set_title(title)
        if column == 0:
            ax.set_ylabel(y_test[rows[row]])
fig.colorbar(image, ax=axes, label="dB", shrink=0.6)
plt.show()
