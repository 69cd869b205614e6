"""Pre-training on all clips, fine-tuning on some."""

import pickle

import numpy as np
import pytest
import sklearn
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio._torch._batches import RowStack
from sklearn_audio.semi_supervised import CAEPretrainedClassifier, ConvAutoencoder

SMALL = {
    "max_epochs": 4,
    "n_hidden": 16,
    "dropout": 0.2,
    "lr": 1e-2,
    "random_state": 0,
}


def small(**settings):
    autoencoder = ConvAutoencoder(width=4, max_epochs=2)
    return CAEPretrainedClassifier(autoencoder, **SMALL | settings)


@pytest.fixture(scope="module")
def clips():
    """Rising and falling glides, and clicks, in noise."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(-60, 4, size=(90, 16, 16)).astype(np.float32)
    for clip, label in zip(X, y, strict=True):
        start = rng.integers(0, 4)
        for step in range(12):
            if label < 2:
                band = start + step if label == 0 else 15 - start - step
                clip[np.clip(band, 0, 15), 2 + step] += 30
        if label == 2:
            clip[:, rng.integers(2, 14)] += 15
    return X, y


def weights_of(model):
    return {k: v.numpy() for k, v in model.modules_["module"].state_dict().items()}


def assert_same_weights(first, second):
    for key, value in weights_of(first).items():
        np.testing.assert_array_equal(value, weights_of(second)[key])


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast")
def test_passes_every_check_of_scikit_learn():
    classifier = small(max_epochs=10, lr=2e-2)
    results = check_estimator(classifier, on_fail=None, on_skip=None)
    assert not [r["check_name"] for r in results if r["status"] != "passed"]
    assert len(results) >= 50


@pytest.mark.parametrize(
    ("pooling", "rows", "augmenter"),
    [
        ("flatten", False, "auto"),
        ("flatten", True, "auto"),
        ("statistics", False, None),
    ],
)
def test_learns_from_few_labels(clips, pooling, rows, augmenter):
    X, y = clips
    X = X.reshape(90, -1) if rows else X
    few = np.where(np.arange(90) < 30, y, -1)
    classifier = small(pooling=pooling, augmenter=augmenter, max_epochs=80)
    classifier.fit(X, few)
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.predict_proba(X).shape == (90, 3)
    assert classifier.score(X[30:], y[30:]) > 0.75


def test_both_ways_to_give_clips_without_labels_agree(clips):
    X, y = clips
    few = np.where(np.arange(90) < 30, y, -1)
    as_rows = small().fit(X, few)
    apart = small().fit(X[:30], y[:30], X_unlabeled=X[30:])
    in_sets = small().fit(X[:30], y[:30], X_unlabeled=[X[30:50], X[50:]])
    assert_same_weights(as_rows, apart)
    assert_same_weights(as_rows, in_sets)
    assert not np.array_equal(
        weights_of(small().fit(X[:30], y[:30]))["encoder.scaler.mean"],
        weights_of(as_rows)["encoder.scaler.mean"],
    )


def test_the_encoder_starts_where_the_autoencoder_ended(clips):
    X, y = clips
    autoencoder = ConvAutoencoder(width=4, max_epochs=2, random_state=0).fit(X)
    classifier = CAEPretrainedClassifier(autoencoder, freeze_encoder=True, **SMALL).fit(
        X, y
    )
    encoder = classifier.modules_["module"].encoder.state_dict()
    for key, value in autoencoder.modules_["module"].encoder.state_dict().items():
        torch.testing.assert_close(encoder[key], value, rtol=0, atol=0)
    np.testing.assert_array_equal(classifier.filters_, autoencoder.filters_)
    assert classifier.pretraining_history_ == autoencoder.history_
    tuned = CAEPretrainedClassifier(autoencoder, **SMALL).fit(X, y)
    assert not np.array_equal(tuned.filters_, autoencoder.filters_)


def test_a_slow_encoder_moves_less(clips):
    X, y = clips
    autoencoder = ConvAutoencoder(width=4, max_epochs=2, random_state=0).fit(X)
    moves = [
        np.abs(
            CAEPretrainedClassifier(autoencoder, lr_encoder=rate, **SMALL)
            .fit(X, y)
            .filters_
            - autoencoder.filters_
        ).mean()
        for rate in (1e-4, None)
    ]
    assert moves[0] < 0.1 * moves[1]


def test_without_pretraining_unlabelled_clips_set_the_scale_alone(clips):
    X, y = clips
    few = np.where(np.arange(90) < 30, y, -1)
    scratch = small(pretrain=False).fit(X, few)
    assert scratch.pretraining_history_ == {}
    changed = X.copy()
    changed[30:] = changed[30:][::-1]  # the same clips, in another order
    assert_same_weights(scratch, small(pretrain=False).fit(changed, few))


def test_a_search_pretrains_once(clips, monkeypatch):
    X, y = clips
    frozen = FrozenEstimator(
        ConvAutoencoder(width=4, max_epochs=2, random_state=0).fit(X)
    )
    calls = []
    monkeypatch.setattr(ConvAutoencoder, "_fit_clips", lambda *_, **__: calls.append(1))
    classifier = CAEPretrainedClassifier(frozen, **SMALL)
    search = GridSearchCV(classifier, {"dropout": [0.0, 0.5]}, cv=2).fit(X, y)
    assert not calls
    assert search.best_estimator_.pretraining_history_ == frozen.estimator.history_


def test_clips_without_labels_reach_a_pipeline_whole(clips):
    X, y = clips
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(FunctionTransformer(), small(max_epochs=1))
        # As many as X, but in a list.
        scores = cross_val_score(
            pipeline, X[:45], y[:45], cv=2, params={"X_unlabeled": [X[45:]]}
        )
    assert scores.shape == (2,)


def test_missing_labels_stay_out_of_the_loss(clips):
    X, y = clips
    splits = StratifiedKFold(3).split(X, y)
    for train, _ in splits:
        hidden = y.copy()
        hidden[train] = -1
        classifier = small(max_epochs=1).fit(X, hidden)
        assert classifier.classes_.tolist() == [0, 1, 2]
    minus_one = np.where(y == 0, -1, 1)
    assert small(max_epochs=1).fit(X, minus_one).classes_.tolist() == [-1, 1]


def test_clips_without_a_label_are_not_scored(clips):
    X, y = clips
    few = np.where(np.arange(90) < 30, y, -1)
    classifier = small().fit(X, few)
    accuracy = (classifier.predict(X[:30]) == y[:30]).mean()
    assert accuracy > 0
    assert classifier.score(X, few) == accuracy
    scores = cross_val_score(small(), X, few, cv=3)
    assert scores.mean() > 0.4  # where 30 of 90 clips have a label


def test_keeps_the_best_epoch(clips):
    X, y = clips
    classifier = small(
        max_epochs=25, validation_fraction=0.3, n_iter_no_change=3, lr=0.05
    ).fit(X, y)
    losses = classifier.history_["valid_loss"]
    assert len(losses) < 25
    assert np.argmin(losses) == len(losses) - 4


def test_validation_neither_mixes_nor_drops_nor_augments(clips):
    X, y = clips
    weights = np.array([5.0, 1.0, 0.2])
    classifier = small(
        max_epochs=1,
        mixup_alpha=0.4,
        label_smoothing=0.3,
        class_weight=dict(enumerate(weights)),
    ).fit(X, y)
    batch = torch.from_numpy(X), torch.from_numpy(y)
    found = classifier._validate_batch(classifier._net, batch)["loss"].item()
    log_p = np.log(classifier.predict_proba(X))
    losses = -(0.7 * np.eye(3)[y] + 0.1) * weights * log_p
    assert found == pytest.approx(losses.sum() / weights[y].sum(), rel=1e-4)


def test_from_paper_has_every_setting_of_the_paper():
    settings = CAEPretrainedClassifier.from_paper().get_params(deep=False)
    autoencoder = settings.pop("autoencoder")
    assert autoencoder.get_params() == ConvAutoencoder.from_paper().get_params()
    assert settings == {
        # Section 2.2: all weights are adjusted
        "pretrain": True,
        "freeze_encoder": False,
        # Fig. 2 and Table 2: 128fc-50fc on the whole code, no other regularisation
        "pooling": "flatten",
        "n_hidden": 128,
        "dropout": 0.0,
        "augmenter": None,
        "mixup_alpha": 0.0,
        "label_smoothing": 0.0,
        "class_weight": None,
        "weight_decay": 0.0,
        # Table 1: batches of 32; Section 4.4: Adam at 0.001
        "batch_size": 32,
        "lr": 1e-3,
        "lr_encoder": None,
        "lr_schedule": None,
        # Section 4.2: patience of 5; the rest is the code's
        "n_iter_no_change": 5,
        "validation_fraction": 0.1,
        "max_epochs": 150,
        # Not of the method
        "warm_start": False,
        "device": "auto",
        "random_state": None,
        "verbose": 0,
        "callbacks": None,
    }


def test_the_papers_settings_run_on_a_small_scale(clips):
    X, y = clips
    paper = CAEPretrainedClassifier.from_paper(max_epochs=2, n_hidden=8)
    paper.set_params(autoencoder__width=2, autoencoder__max_epochs=1, random_state=0)
    assert paper.fit(X / 80, y).n_iter_ <= 2
    assert paper.modules_["module"].head[0].out_features == 8


def test_warm_start_goes_on_without_pretraining(clips):
    X, y = clips
    classifier = small(warm_start=True).fit(X, y)
    history = classifier.pretraining_history_
    classifier.fit(X, y)
    assert classifier.n_iter_ == 8
    assert classifier.pretraining_history_ is history


def test_says_what_is_wrong_with_labels(clips):
    X, _ = clips
    with pytest.raises(ValueError, match=r"every label is -1.*ConvAutoencoder"):
        small().fit(X, np.full(90, -1))
    with pytest.raises(ValueError, match="1 class"):
        small().fit(X, np.zeros(90))


def test_says_what_is_wrong_with_clips(clips):
    X, y = clips
    with pytest.raises(ValueError, match=r"X_unlabeled holds clips of shape \(16, 8\)"):
        small().fit(X, y, X_unlabeled=X[:, :, :8])
    with pytest.raises(ValueError, match=r"X_unlabeled contains NaN"):
        small().fit(X, y, X_unlabeled=np.full_like(X, np.nan))
    with pytest.raises(ValueError, match="0 sample"):
        small().fit(X, y, X_unlabeled=X[:0])
    autoencoder = ConvAutoencoder(width=4, max_epochs=1).fit(X[:, :8])
    with pytest.raises(ValueError, match="fitted on clips of shape"):
        CAEPretrainedClassifier(autoencoder).fit(X, y)
    with pytest.raises(TypeError, match="must freeze a ConvAutoencoder"):
        CAEPretrainedClassifier(FrozenEstimator(small())).fit(X, y)


def test_stacked_rows_are_counted_through():
    arrays = [np.arange(4).reshape(2, 2), np.arange(4, 10).reshape(3, 2)]
    stack, whole = RowStack(arrays), np.concatenate(arrays)
    assert len(stack) == 5
    for rows in (np.arange(5), np.array([4, 0, 2, 2]), np.array([], dtype=int)):
        np.testing.assert_array_equal(stack[rows], whole[rows])


def test_same_seed_same_model_and_small_dump(clips, in_a_new_process):
    X, y = clips
    state = torch.random.get_rng_state()
    first, second = small().fit(X, y), small().fit(X, y)
    assert_same_weights(first, second)
    assert torch.equal(torch.random.get_rng_state(), state)
    wide = CAEPretrainedClassifier(ConvAutoencoder(width=24, max_epochs=1), **SMALL)
    wide.fit(X, y)
    n_bytes = sum(array.nbytes for array in weights_of(wide).values())
    # The dump carries no autoencoder but the one that was given, unfitted.
    assert len(pickle.dumps(wide)) < 1.2 * n_bytes
    (logits,) = in_a_new_process(wide, X, "decision_function")
    np.testing.assert_array_equal(logits, wide.decision_function(X))
