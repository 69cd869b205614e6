"""The open-set GAN: it rejects, generates, encodes, and says when a game fails."""

import copy
import warnings

import joblib
import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from sklearn_audio._torch._random import draw_seed
from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.base import calibration_splits, conformal_threshold
from sklearn_audio.metrics import open_set_auroc
from sklearn_audio.open_set import OpenSetGANClassifier
from sklearn_audio.open_set import _open_set_gan as game_module
from sklearn_audio.open_set._open_set_gan_classifier import (
    Fold,
    crossing_split,
    ensemble_scores,
    noise_fractions,
)

SMALL = OpenSetGANClassifier(
    width=4, gan_width=4, latent_dim=5, max_epochs=12, batch_size=16, cv=2
).set_params(random_state=0)
SINGLE = clone(SMALL).set_params(ensemble=False, rejection_rate=None)
EVERY_KIND = ("reversed", "spliced", "generated")
ALL_FAMILIARITIES = (
    "max_softmax",
    "max_logit",
    "energy",
    "mahalanobis",
    "sinkhorn",
    "combined",
)


@pytest.fixture(scope="module")
def sweeps():
    """Rising and falling tones in dB, and clicks, which are neither."""
    rng = np.random.default_rng(0)
    X = rng.normal(-40, 3, size=(96, 16, 20)).astype(np.float32)
    y = np.repeat(["falling", "rising", "unknown"], 32)
    frames = np.arange(20)
    for clip, name in zip(X, y, strict=True):
        if name == "unknown":
            clip[:, rng.integers(3, 17)] += 30
        else:
            bands = (frames * 0.5 + rng.integers(2, 5)).astype(int)
            clip[bands if name == "rising" else 15 - bands, frames] += 30
    order = rng.permutation(len(X))
    X, y = X[order], y[order]
    known = y != "unknown"
    return X[known], y[known], X[~known]


@pytest.fixture(scope="module")
def fitted(sweeps):
    X, y, _ = sweeps
    return clone(SMALL).set_params(outliers=EVERY_KIND, max_epochs=10).fit(X, y)


def test_knows_the_known_and_not_the_unknown(sweeps, fitted):
    X, y, strangers = sweeps
    assert np.mean(fitted.predict(X) == y) > 0.9
    scores = fitted.score_samples(np.concatenate([X, strangers]))
    is_known = np.arange(len(scores)) < len(X)
    assert open_set_auroc(is_known, scores) > 0.9
    assert np.mean(fitted.predict(strangers) == "unknown") > 0.3


def test_predict_rejects_what_lies_below_the_offset(sweeps, fitted):
    X = np.concatenate([sweeps[0], sweeps[2]])
    rejected = fitted.score_samples(X) < fitted.offset_
    np.testing.assert_array_equal(fitted.predict(X) == "unknown", rejected)
    probabilities = fitted.predict_proba(X)
    named = fitted.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(fitted.predict(X)[~rejected], named[~rejected])
    assert "unknown" not in fitted.classes_


@pytest.mark.parametrize(
    "outliers", ["reversed", "spliced", "generated", EVERY_KIND, None]
)
def test_every_familiarity_ranks_by_itself(sweeps, outliers):
    X, y, _ = sweeps
    model = clone(SINGLE).set_params(outliers=outliers, max_epochs=3).fit(X, y)
    names = [*ALL_FAMILIARITIES, *(["detector"] if model._generates else [])]
    scores = {n: model.set_params(familiarity=n).score_samples(X) for n in names}
    logits = model._own_outputs(X).logits
    known = logits[:, :2]
    np.testing.assert_allclose(scores["max_logit"], known.max(axis=1))
    np.testing.assert_allclose(
        scores["max_softmax"], softmax(logits, axis=1)[:, :2].max(axis=1)
    )
    uniform = softmax(known, axis=1) - 0.5
    np.testing.assert_allclose(
        scores["sinkhorn"], (uniform**2).sum(axis=1) / 2, atol=1e-6
    )
    parts = [scores[n] for n in ("max_softmax", "max_logit", "mahalanobis")]
    standard = [(part - part.mean()) / max(part.std(), 1e-6) for part in parts]
    np.testing.assert_allclose(scores["combined"], np.mean(standard, axis=0), atol=1e-4)
    n_made_of_clips = len({"reversed", "spliced"}.intersection(model._kinds))
    assert logits.shape[1] == 2 * (1 + n_made_of_clips)
    assert all(s.shape == (len(X),) and np.isfinite(s).all() for s in scores.values())


def test_an_ensemble_is_the_mean_of_its_members(sweeps, fitted):
    X = sweeps[0]
    members = fitted.estimators_
    assert len(members) == 2
    for method in ("decision_function", "score_samples"):
        mean = np.mean([getattr(m, method)(X) for m in members], axis=0)
        np.testing.assert_allclose(getattr(fitted, method)(X), mean, rtol=1e-6)
    losses = [m.history_["train_loss"] for m in members]
    np.testing.assert_allclose(fitted.history_["train_loss"], np.mean(losses, axis=0))


def test_a_member_is_fitted_on_its_fold_alone(sweeps):
    X, y, _ = sweeps
    model = clone(SMALL).set_params(max_epochs=2).fit(X, y)
    train, _ = next(StratifiedKFold(2).split(X, y))
    member = model.estimators_[0]
    alone = clone(member).fit(X[train], y[train])
    np.testing.assert_array_equal(member.score_samples(X), alone.score_samples(X))


def test_scores_of_clips_that_a_member_has_not_seen_set_every_threshold(sweeps):
    X, y, _ = sweeps
    groups = np.arange(len(y)) // 4
    model = clone(SMALL).set_params(
        max_epochs=2, outliers=EVERY_KIND, ensemble=False, rejection_rate=0.2
    )
    model.fit(X, y, groups=groups)
    folds = list(StratifiedGroupKFold(2).split(X, y, groups))
    state = np.random.RandomState(0)
    members = [
        clone(model)
        .set_params(rejection_rate=None, random_state=draw_seed(state))
        .fit(X[train], y[train])
        for train, _ in folds
    ]
    for familiarity in (*ALL_FAMILIARITIES, "detector"):
        scores = [
            member.set_params(familiarity=familiarity).score_samples(X[test])
            for member, (_, test) in zip(members, folds, strict=True)
        ]
        model.set_params(familiarity=familiarity)
        expected = np.sort(np.concatenate(scores))
        np.testing.assert_array_equal(model.calibration_scores_, expected)
        assert model.offset_ == conformal_threshold(expected, 0.2)
        rejected = model.predict(X) == "unknown"
        np.testing.assert_array_equal(rejected, model.score_samples(X) < model.offset_)


def test_one_network_is_calibrated_by_those_of_the_folds(sweeps):
    X, y, _ = sweeps
    single = clone(SINGLE).set_params(max_epochs=2)
    free = clone(single).fit(X, y)
    calibrated = clone(single).set_params(rejection_rate=0.1).fit(X, y)
    assert free.offset_ == -np.inf
    assert np.isfinite(calibrated.offset_)
    np.testing.assert_array_equal(free.score_samples(X), calibrated.score_samples(X))
    assert not hasattr(calibrated, "estimators_")


def test_groups_stay_together(sweeps):
    X, y, _ = sweeps
    groups = np.arange(len(y)) // 4
    seen = []

    class Witness(OpenSetGANClassifier):
        def fit(self, X, y, groups=None):
            if not self.ensemble:
                seen.append({clip.tobytes() for clip in X})
            return super().fit(X, y, groups)

    model = Witness(**clone(SMALL).set_params(max_epochs=1, cv=3).get_params())
    model.fit(X, y, groups=groups)
    assert len(seen) == 4  # three folds, and a network that crosses them
    for trained_on in seen:
        kept = [clip.tobytes() in trained_on for clip in X]
        assert 0 < np.mean(kept) < 1
        per_group = np.add.reduceat(kept, np.arange(0, len(X), 4))
        assert set(per_group) == {0, 4}


def test_the_threshold_is_that_of_the_ensemble(sweeps):
    X, y, _ = sweeps
    model = clone(SMALL).set_params(max_epochs=2, rejection_rate=0.2).fit(X, y)
    single = np.sort(
        np.concatenate(
            [
                member.score_samples(X[rows])
                for member, (_, rows) in zip(
                    model.estimators_, StratifiedKFold(2).split(X, y), strict=True
                )
            ]
        )
    )
    noise = model._noise["combined"]
    assert noise > 0
    expected = ensemble_scores(single, noise, 2)
    np.testing.assert_allclose(model.calibration_scores_, expected, rtol=1e-6)
    assert model.offset_ == conformal_threshold(model.calibration_scores_, 0.2)
    # It is the spread of the scores that shrinks, and not their mean.
    assert model.calibration_scores_.mean() == pytest.approx(single.mean())
    assert model.calibration_scores_.std() < single.std()


def test_calibrating_leaves_the_networks_as_they_are(sweeps):
    X, y, _ = sweeps
    model = clone(SMALL).set_params(max_epochs=2)
    scores = [
        clone(model).set_params(rejection_rate=rate).fit(X, y).score_samples(X)
        for rate in (None, 0, 0.1)
    ]
    np.testing.assert_array_equal(scores[0], scores[2])
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_scores_of_single_networks_calibrate_their_mean(n_members, rate):
    """Clips vary by b, and each network's opinion of them by w."""
    rng = np.random.default_rng(0)
    clips, witness = rng.normal(size=(2, 4000))
    opinions = rng.normal(scale=0.8, size=4000)
    single = clips + opinions
    rows = np.arange(0, 4000, 4)
    folds = [
        Fold(None, part, {"score": single[part]})
        for part in np.array_split(np.arange(4000), 4)
    ]
    other = Fold(None, rows, {"score": clips[rows] + 0.8 * witness[rows]})
    noise = noise_fractions(folds, other)["score"]
    assert noise == pytest.approx(0.64 / 1.64, abs=0.03)
    fresh = rng.normal(size=100_000) + rng.normal(
        scale=0.8 / np.sqrt(n_members), size=100_000
    )
    threshold = conformal_threshold(ensemble_scores(single, noise, n_members), rate)
    assert (fresh < threshold).mean() == pytest.approx(rate, abs=0.015)
    opposite = Fold(None, rows, {"score": -single[rows]})
    assert noise_fractions(folds, opposite)["score"] == 1
    if n_members > 1:
        plain = (fresh < conformal_threshold(single, rate)).mean()
        assert plain < rate - 0.02


def test_a_split_that_crosses_the_folds():
    y, groups = np.tile([0, 1, 2], 40), np.repeat(np.arange(20), 6)
    folds = calibration_splits(4, 120, y=y, groups=groups)
    train, test = crossing_split(folds, y, groups, seed=0)
    assert set(y[train]) == {0, 1, 2}
    assert not set(groups[train]) & set(groups[test])
    assert len(train) + len(test) == 120
    assert sum(len(np.intersect1d(test, fold)) > 0 for _, fold in folds) > 1
    # Two groups can be parted in one way only.
    groups = np.repeat([0, 1], 60)
    folds = calibration_splits(None, 120, y=y, groups=groups)
    _, test = crossing_split(folds, y, groups, seed=0)
    assert len(set(groups[test])) == 1


@pytest.mark.parametrize("change", [{"blur": 3.0}, {"ensemble": False}])
def test_what_is_set_after_fit_changes_no_answer(sweeps, fitted, change):
    X = sweeps[0]
    model = copy.deepcopy(fitted).set_params(familiarity="sinkhorn")
    answers, scores = model.predict(X), model.score_samples(X)
    model.set_params(**change)
    np.testing.assert_array_equal(model.predict(X), answers)
    np.testing.assert_array_equal(model.score_samples(X), scores)


def test_a_score_that_the_networks_cannot_give_is_refused(sweeps):
    X, y, _ = sweeps
    model = clone(SMALL).set_params(max_epochs=1).fit(X, y)
    for name in ("detector", "latent"):
        model.set_params(familiarity=name)
        for call in (model.predict, model.score_samples):
            with pytest.raises(ValueError, match=f"familiarity='{name}' is not one"):
                call(X)


def test_generated_clips_have_the_shape_and_the_range_of_real_ones(sweeps, fitted):
    X = sweeps[0]
    sample = fitted.sample(7, random_state=0)
    assert sample.shape == (7, *X.shape[1:])
    assert sample.dtype == np.float32
    assert X.min() <= sample.min() < sample.max() <= X.max()
    np.testing.assert_array_equal(sample, fitted.sample(7, random_state=0))
    assert not np.array_equal(sample, fitted.sample(7, random_state=1))


def test_latent_means_and_reconstructions(sweeps):
    X, y, _ = sweeps
    settings = {"outliers": "generated", "augmenter": None, "gan_width": 8}
    settings |= {"reconstruction_weight": 1000.0}
    short, long = (
        clone(SINGLE)
        .set_params(**settings, max_epochs=n, lr_generator=5e-3, kl_weight=1e-3)
        .fit(X, y)
        for n in (1, 30)
    )
    assert long.encode(X).shape == (len(X), 5)
    errors = [np.abs(m.reconstruct(X) - X).mean() for m in (short, long)]
    assert errors[1] < 0.8 * errors[0]
    mean_clip = np.abs(X.mean(axis=0) - X).mean()
    assert errors[1] < mean_clip


def test_every_loss_is_in_the_history(fitted):
    expected = {
        "train_loss",
        "train_classification",
        "train_confidence",
        "train_detector",
        "train_structure",
        "train_kl",
        "train_adversarial",
        "train_diversity",
    }
    assert fitted.history_.keys() == expected
    assert fitted.n_iter_ == 10
    confidence = fitted.history_["train_confidence"]
    assert np.isnan(confidence[:3]).all()  # warm-up: a fifth of the epochs, then zero
    assert np.isfinite(confidence[3:]).all()


def test_the_confidence_weight_ramps_up():
    model = clone(SMALL).set_params(max_epochs=100, warmup=0.2, confidence_weight=0.5)

    class Net:
        history: list

    weights = []
    for epoch in (0, 20, 30, 40, 99):
        Net.history = [None] * (epoch + 1)
        weights.append(model._confidence_weight_now(Net))
    np.testing.assert_allclose(weights, [0, 0, 0.25, 0.5, 0.5])
    Net.history = [None]
    assert model.set_params(warmup=0.0)._confidence_weight_now(Net) == 0.5


@pytest.mark.parametrize("random_state", range(3))
def test_the_game_is_stable_for_every_seed(sweeps, random_state):
    X, y, _ = sweeps
    model = clone(SINGLE).set_params(
        outliers="generated", random_state=random_state, max_epochs=8
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert model.history_["train_diversity"][-1] > 0.05
    assert 0.05 < model.history_["train_detector"][-1] < 3
    answers = model.classes_[(model.decision_function(X) > 0).astype(int)]
    assert np.mean(answers == y) > 0.9


def test_a_collapsed_generator_is_reported(sweeps, monkeypatch):
    X, y, _ = sweeps
    monkeypatch.setattr(
        game_module.Generator,
        "forward",
        lambda self, z: self.project(z).mean() * torch.ones(len(z), *self.input_shape),
    )
    model = clone(SINGLE).set_params(outliers="generated", max_epochs=1)
    with pytest.warns(ConvergenceWarning, match="has collapsed: its clips vary"):
        model.fit(X, y)


def test_a_loss_that_explodes_ends_the_fit(sweeps):
    X, y, _ = sweeps
    model = clone(SINGLE).set_params(outliers="generated", lr_generator=1e12)
    with pytest.raises(ValueError, match="Training diverged: train_"):
        model.fit(X, y)


def make_tones(n_clips, step, random_state):
    """Low (0) and high (1) tones that rise with a step of 1 and fall with -1."""
    rng = np.random.default_rng(random_state)
    X = rng.normal(-40, 3, size=(n_clips, 16, 20)).astype(np.float32)
    y = np.arange(n_clips) % 2
    frames = np.arange(20)
    for clip, is_high in zip(X, y, strict=True):
        bands = frames // 4 + rng.integers(0, 3) + 8 * is_high
        clip[bands[::step], frames] += 30
    return X, y


def test_tones_that_fall_are_strange_to_who_has_heard_rising_ones_backwards():
    X, y = make_tones(48, 1, random_state=0)
    rising, falling = (make_tones(40, step, random_state=1)[0] for step in (1, -1))
    aurocs = []
    for outliers in ("reversed", None):
        model = clone(SINGLE).set_params(outliers=outliers, familiarity="max_softmax")
        scores = model.fit(X, y).score_samples(np.concatenate([rising, falling]))
        aurocs.append(open_set_auroc(np.arange(80) < 40, scores))
    assert aurocs[0] > 0.95
    assert aurocs[1] < aurocs[0] - 0.03


def make_words(n_clips, syllables, random_state):
    """One tone for each half of a clip; `syllables` has the bands of each word."""
    rng = np.random.default_rng(random_state)
    X = rng.normal(-40, 3, size=(n_clips, 16, 20)).astype(np.float32)
    y = np.arange(n_clips) % len(syllables)
    for clip, word in zip(X, y, strict=True):
        for half, band in zip(
            (clip[:, :10], clip[:, 10:]), syllables[word], strict=True
        ):
            half[band + rng.integers(-1, 2)] += 30
    return X, y


def test_a_word_of_known_syllables_is_known_to_be_spliced():
    known, strange = [(2, 6), (10, 13)], [(2, 13), (10, 6)]
    X, y = make_words(48, known, random_state=0)
    model = (
        clone(SINGLE)
        .set_params(outliers="spliced", label_smoothing=0.0, max_epochs=25)
        .fit(X, y)
    )
    for words, least, most in ((known, 0.0, 0.4), (strange, 0.6, 1.0)):
        clips, begins_as = make_words(40, words, random_state=1)
        p = softmax(model._own_outputs(clips).logits, axis=1)
        assert least <= np.median(p[:, 2:].sum(axis=1)) <= most
        if words is strange:  # ... and as what it begins
            assert np.mean(p[:, 2:].argmax(axis=1) == begins_as) > 0.9


@pytest.mark.parametrize("outliers", [("reversed", "noise"), ["spliced"] * 2, (3,)])
def test_kinds_of_outliers_that_there_are_not(sweeps, outliers):
    X, y, _ = sweeps
    with pytest.raises(ValueError, match=r"must be some of \('spliced', 'reversed'"):
        clone(SMALL).set_params(outliers=outliers).fit(X, y)


def test_generated_outliers_leave_the_classifier_at_a_loss(sweeps):
    X, y, _ = sweeps
    heavy, weightless = (
        clone(SINGLE)
        .set_params(
            outliers="generated", confidence_weight=weight, warmup=0.0, max_epochs=8
        )
        .fit(X, y)
        .history_["train_confidence"]
        for weight in (1.0, 1e-6)
    )
    assert heavy[-1] < 0.6 * weightless[-1]
    assert max(weightless[1:]) <= 0.25  # half the squared distance of (1, 0) to U


def test_strange_blobs_that_a_linear_classifier_takes_for_known():
    # The classes differ in both features: else a spliced row would be a known one.
    blobs = {"centers": [(-4.0, -2.0), (4.0, 2.0)], "cluster_std": 0.6}
    X, y = make_blobs(80, **blobs, random_state=0)
    known, _ = make_blobs(80, **blobs, random_state=1)
    linear = LogisticRegression().fit(X, y)
    # With two members of width 4, the processor's rounding decides over (9, 2).
    model = clone(SMALL).set_params(width=8, cv=3, max_epochs=20).fit(X, y)
    for place in [(12.0, 6.0), (9.0, 2.0), (4.0, 10.0)]:
        strange, _ = make_blobs(40, centers=[place], cluster_std=0.6, random_state=2)
        rows = np.concatenate([known, strange])
        is_known = np.arange(len(rows)) < len(known)
        surest = linear.predict_proba(rows).max(axis=1)
        assert open_set_auroc(is_known, surest) < 0.1
        assert open_set_auroc(is_known, model.score_samples(rows)) > 0.9


def test_a_dump_samples_encodes_and_rejects_the_same(sweeps, fitted, tmp_path):
    X = sweeps[0]
    joblib.dump(fitted, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    for call in (
        lambda m: m.sample(3, random_state=0),
        lambda m: m.encode(X),
        lambda m: m.reconstruct(X),
        lambda m: m.score_samples(X),
        lambda m: m.predict(X),
    ):
        np.testing.assert_array_equal(call(loaded), call(fitted))


def test_a_warm_start_trains_the_members_on(sweeps):
    X, y, _ = sweeps
    model = clone(SMALL).set_params(max_epochs=2, warm_start=True)
    model.fit(X, y)
    first = model.score_samples(X)
    model.fit(X, y)
    assert len(model.history_["train_loss"]) == 4
    assert model.n_iter_ == 4
    assert not np.array_equal(model.score_samples(X), first)


def test_semantic_costs_take_a_vector_a_class(sweeps):
    X, y, _ = sweeps
    settings = {"outliers": "generated", "confidence_cost": "semantic", "warmup": 0.0}
    model = clone(SINGLE).set_params(**settings, max_epochs=2, familiarity="sinkhorn")
    with pytest.raises(ValueError, match="needs class_embeddings"):
        model.fit(X, y)
    by_label = {"rising": [1.0, 0.0], "falling": [0.0, 1.0]}
    by_order = [[0.0, 1.0], [1.0, 0.0]]
    scores = [
        clone(model).set_params(class_embeddings=e).fit(X, y).score_samples(X)
        for e in (by_label, by_order)
    ]
    np.testing.assert_array_equal(*scores)
    with pytest.raises(ValueError, match=r"no vector for .*'rising'"):
        model.set_params(class_embeddings={"falling": [0.0]}).fit(X, y)
    with pytest.raises(ValueError, match="3 vectors, but y holds 2 classes"):
        model.set_params(class_embeddings=np.eye(3)).fit(X, y)


def test_what_was_never_generated_is_not_to_be_had(sweeps):
    X, y, _ = sweeps
    model = clone(SMALL)
    with pytest.raises(NotFittedError):
        model.sample()
    model.set_params(outliers="reversed", max_epochs=1).fit(X, y)
    for call in (model.sample, lambda: model.encode(X), lambda: model.reconstruct(X)):
        with pytest.raises(ValueError, match="Set outliers='generated'"):
            call()
    with pytest.raises(ValueError, match="familiarity='detector' needs"):
        model.set_params(familiarity="detector").fit(X, y)


def test_from_paper_has_every_setting_of_the_paper():
    settings = OpenSetGANClassifier.from_paper(random_state=3).get_params(deep=False)
    augmenter = settings.pop("augmenter")
    assert isinstance(augmenter, SpectrogramAugmenter)
    assert augmenter.decibels_per_unit == 40  # 80 dB in [-1, 1], Section 3.2
    assert settings == {
        # Section 3.2: ResNet-18 behind two scattering layers of Eq. 10, latent 20
        "first_stage": "scattering",
        "width": 64,
        "n_scales": 2,
        "n_angles": 8,
        "latent_dim": 20,
        "gan_width": 128,  # Lee et al.'s, which the paper does not print
        "use_spectral_norm": False,
        # Section 2.2: noise around the embedding of training clips
        "outliers": "generated",
        "sampling": "posterior",
        "noise_scale": 1.0,
        # Eq. 1: plain cross-entropy
        "label_smoothing": 0.0,
        "mixup_alpha": 0.0,
        "class_weight": None,
        # Eqs. 2 to 4 and 9: in all epochs, with the weight of Section 2.4
        "confidence_weight": 0.1,
        "confidence_cost": "euclidean",
        "class_embeddings": None,
        "blur": 0.5,  # of no effect on "euclidean"
        "warmup": 0.0,
        # Eqs. 6 and 8: squared norms; no weights are printed
        "reconstruction_weight": 1.0,
        "feature_weight": 1.0,
        "reduction": "sum",
        "kl_weight": 1.0,
        # Section 3.2: batches of 100, rate 0.0002, 150 epochs, Adam
        "max_epochs": 150,
        "batch_size": 100,
        "lr": 2e-4,
        "lr_generator": 2e-4,
        "lr_detector": 2e-4,
        "lr_schedule": None,
        "weight_decay": 0.0,
        "validation_fraction": None,
        "n_iter_no_change": None,
        # Sections 3.2 and 3.5: Sinkhorn scores, thresholds from development data
        "familiarity": "sinkhorn",
        "rejection_rate": None,
        "ensemble": False,
        # Not of the method
        "outlier_label": "auto",
        "cv": None,
        "n_jobs": None,
        "warm_start": False,
        "device": "auto",
        "random_state": 3,
        "verbose": 0,
        "callbacks": None,
    }


def test_the_papers_settings_run_on_a_small_scale(sweeps):
    X, y, _ = sweeps
    model = OpenSetGANClassifier.from_paper(
        width=4, gan_width=4, max_epochs=2, cv=2, random_state=0
    ).fit((X + 40) / 40, y)
    assert np.isfinite(model.score_samples((X + 40) / 40)).all()


def test_other_options_train_too(sweeps):
    X, y, _ = sweeps
    for settings in (
        {"mixup_alpha": 0.4},
        {"sampling": "prior", "noise_scale": 2.0, "outliers": EVERY_KIND},
        {"use_spectral_norm": True, "outliers": "generated"},
        {"validation_fraction": 0.25, "n_iter_no_change": 2},
        {"class_weight": "balanced", "outliers": "reversed"},
        {"lr_schedule": None},
    ):
        model = clone(SINGLE).set_params(**settings, max_epochs=2).fit(X, y)
        assert np.isfinite(model.score_samples(X)).all()
