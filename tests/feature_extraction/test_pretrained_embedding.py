"""PretrainedEmbedding: the network's own numbers, clip by clip, wherever it runs."""

import hashlib
import pickle
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import skops.io
import soundfile
import soxr
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from sklearn_audio.datasets import load_esc10, load_esc50
from sklearn_audio.feature_extraction import (
    AudioLoader,
    PretrainedEmbedding,
    _pretrained_embedding,
)
from sklearn_audio.pretrained import (
    NETWORKS,
    EfficientATNetwork,
    _registry,
    load_network,
)
from sklearn_audio.pretrained._state import checksum_of, read_tensors

RATE = 32000


@pytest.fixture(scope="module")
def weights(tmp_path_factory, make_efficient_at):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    safetensors.torch.save_file(make_efficient_at().state_dict(), path)
    return path


@pytest.fixture
def embedding(weights):
    return PretrainedEmbedding(weights=weights, sample_rate=RATE, device="cpu")


def noise(n_clips=3, n_samples=RATE // 4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, size=(n_clips, n_samples)).astype(np.float32)


def ragged_noise(lengths, seed=0):
    return [noise(1, length, seed + i)[0] for i, length in enumerate(lengths)]


def by_hand(weights, waveform):
    network = load_network("efficientat_mn04", weights)
    with torch.no_grad():
        embeddings = network(torch.from_numpy(waveform)[None])
        return embeddings[0].numpy(), network.tag(embeddings)[0].numpy()


class Loudness(torch.nn.Module):
    """Mean and maximum of the absolute samples, times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = x.abs() * self.weight
        return torch.stack([x.mean(dim=1), x.amax(dim=1)], dim=1)


class LoudnessOfWindows(Loudness):
    sample_rate = 8000
    window = 0.5


class LoudnessOfOverlaps(LoudnessOfWindows):
    hop = 0.25


def test_scikit_learn_checks(embedding):
    for checked in (embedding, PretrainedEmbedding(torch.nn.Identity())):
        results = check_estimator(checked)
        assert len(results) >= 45
        assert {result["status"] for result in results} == {"passed"}


# -- The network's numbers -------------------------------------------------------------


def test_a_short_clip_is_what_the_network_says(embedding, weights):
    clips = ragged_noise([1024, 9000, 40000])
    embeddings = embedding.fit_transform(clips)
    tags = embedding.tag(clips)
    assert embeddings.dtype == tags.dtype == np.float32
    for clip, row, probabilities in zip(clips, embeddings, tags, strict=True):
        expected_row, expected_tags = by_hand(weights, clip)
        np.testing.assert_array_equal(row, expected_row)
        np.testing.assert_array_equal(probabilities, expected_tags)


def test_a_long_clip_is_the_mean_and_the_spread_of_its_windows(embedding, weights):
    (clip,) = noise(1, 10000)
    starts = [0, 3200, 10000 - 4000]
    rows, tags = zip(
        *(by_hand(weights, clip[start : start + 4000]) for start in starts),
        strict=True,
    )
    embedding.set_params(window=0.125, hop=0.1, pooling="mean_std")
    expected = np.concatenate([np.mean(rows, axis=0), np.std(rows, axis=0)])
    np.testing.assert_allclose(
        embedding.fit_transform([clip])[0], expected, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(embedding.tag([clip])[0], np.mean(tags, axis=0))
    unpooled = embedding.set_params(pooling=None).transform([clip])
    np.testing.assert_array_equal(unpooled[0], np.transpose(rows))


def test_windows_are_as_long_as_the_networks_own_clips(embedding, weights):
    (clip,) = noise(1, 12 * RATE)
    unpooled = embedding.set_params(pooling=None).fit_transform([clip])
    assert unpooled.shape == (1, embedding.embedding_size_, 2)
    np.testing.assert_array_equal(
        unpooled[0, :, 1], by_hand(weights, clip[2 * RATE :])[0]
    )


def test_a_clip_too_short_for_the_network_is_followed_by_silence(embedding):
    (short,) = noise(1, 5)
    expected = embedding.fit_transform([np.pad(short, (0, 1019))])
    np.testing.assert_array_equal(embedding.fit_transform([short]), expected)


def test_other_rates_are_resampled(embedding, weights):
    clips = noise(2, 4000)
    embeddings = embedding.set_params(sample_rate=8000).fit_transform(clips)
    for clip, row in zip(clips, embeddings, strict=True):
        expected, _ = by_hand(weights, soxr.resample(clip, 8000, RATE))
        np.testing.assert_array_equal(row, expected)


def test_whole_numbers_are_divided_by_their_full_scale(embedding):
    integers = (noise() * 2**15).astype(np.int16)
    np.testing.assert_array_equal(
        embedding.fit_transform(integers),
        embedding.fit_transform(integers / np.float32(2**15)),
    )


# -- Alone or in company ---------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_a_clip_has_the_same_bits_alone_and_in_any_company(embedding, batch_size):
    lengths = np.random.default_rng(0).choice([700, 4000, 9000], size=9)
    clips = ragged_noise(lengths)
    embedding.set_params(window=0.125, batch_size=batch_size).fit(clips)
    assert len(np.unique(embedding.transform(clips), axis=0)) == len(clips)
    for method in (embedding.transform, embedding.tag):
        together = method(clips)
        np.testing.assert_array_equal(method(clips[::-1])[::-1], together)
        np.testing.assert_array_equal(
            np.concatenate([method([clip]) for clip in clips]), together
        )


def test_memory_layout_and_precision_of_the_input_do_not_matter(embedding):
    clips = noise()
    expected = embedding.fit_transform(clips)
    for given in (clips.astype(float), np.asfortranarray(clips), list(clips)):
        np.testing.assert_array_equal(embedding.fit_transform(given), expected)


def test_input_and_threads_are_left_as_they_were(embedding):
    clips = noise()
    before, n_threads = clips.copy(), torch.get_num_threads()
    state = torch.random.get_rng_state()
    embedding.fit_transform(clips)
    np.testing.assert_array_equal(clips, before)
    assert torch.get_num_threads() == n_threads
    assert torch.equal(torch.random.get_rng_state(), state)


MEMORY = """
import resource, sys
import numpy as np
from sklearn_audio.feature_extraction import PretrainedEmbedding

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

clips = np.zeros((300, 32000), dtype=np.float32)
embedding = PretrainedEmbedding(weights={weights!r}, sample_rate=32000, device="cpu")
embedding.fit_transform(clips[:5])
before = peak()
embedding.transform(clips)
print(peak() - before)
"""


def test_extra_memory_does_not_grow_with_the_number_of_clips(weights):
    pytest.importorskip("resource")
    run = subprocess.run(
        [sys.executable, "-c", MEMORY.format(weights=str(weights))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) <= 24 * 2**20


# -- Where it stands -------------------------------------------------------------------


def test_files_of_any_rate_and_length_go_through_a_pipeline(embedding, tmp_path):
    paths, waveforms = [], ragged_noise([5000, 8000])
    for index, waveform in enumerate(waveforms):
        paths.append(tmp_path / f"{index}.wav")
        soundfile.write(paths[-1], waveform, RATE, subtype="FLOAT")
    pipeline = make_pipeline(AudioLoader(RATE, duration=None), embedding)
    np.testing.assert_array_equal(
        pipeline.fit_transform(paths), embedding.transform(waveforms)
    )


def test_columns_have_names(embedding):
    clips = noise()
    embedding.set_params(pooling="mean_std").set_output(transform="pandas")
    table = embedding.fit_transform(pd.DataFrame(clips, index=["a", "b", "c"]))
    assert list(table.columns[:2]) == ["embedding0_mean", "embedding1_mean"]
    assert table.columns[-1] == "embedding95_std"
    assert table.shape == (3, 2 * 96)
    assert list(table.index) == ["a", "b", "c"]
    names = embedding.set_params(pooling=None).fit(clips).get_feature_names_out()
    assert list(names) == [f"embedding{i}" for i in range(96)]


def test_transform_needs_no_fit(embedding):
    clips = noise()
    fitted = clone(embedding).fit(clips)
    np.testing.assert_array_equal(embedding.transform(clips), fitted.transform(clips))
    np.testing.assert_array_equal(embedding.tag(clips), fitted.tag(clips))
    assert not hasattr(embedding, "network_")


def test_a_dump_needs_no_file_of_weights(
    embedding, weights, tmp_path, in_a_new_process
):
    embedding.weights = tmp_path / "copy.safetensors"
    embedding.weights.write_bytes(weights.read_bytes())
    clips = noise()
    embeddings, tags = embedding.fit_transform(clips), embedding.tag(clips)
    embedding.weights.unlink()
    loaded = in_a_new_process(embedding, clips, "transform", "tag")
    np.testing.assert_array_equal(loaded[0], embeddings)
    np.testing.assert_array_equal(loaded[1], tags)


def test_what_is_not_fitted_is_saved_without_weights(embedding):
    assert len(pickle.dumps(embedding)) < 1000
    assert len(pickle.dumps(clone(embedding.fit(noise())))) < 1000


def test_a_dump_is_hardly_larger_than_its_weights(tmp_path):
    network = EfficientATNetwork()
    torch.save(network.state_dict(), tmp_path / "mn04.pt")
    embedding = PretrainedEmbedding(weights=tmp_path / "mn04.pt").fit(noise(1))
    joblib.dump(embedding, tmp_path / "dump.joblib")
    n_bytes = 4 * sum(p.numel() for p in network.parameters())
    assert (tmp_path / "dump.joblib").stat().st_size <= 1.2 * n_bytes


def test_skops_loads_a_dump_that_names_our_class_alone(embedding, weights):
    clips = noise()
    embedding.set_params(weights=str(weights)).fit(clips)
    dump = skops.io.dumps(embedding)
    untrusted = skops.io.get_untrusted_types(data=dump)
    own = PretrainedEmbedding
    assert untrusted == [f"{own.__module__}.{own.__qualname__}"]
    loaded = skops.io.loads(dump, trusted=untrusted)
    np.testing.assert_array_equal(loaded.transform(clips), embedding.transform(clips))


def test_a_dump_of_a_missing_device_runs_on_the_cpu(embedding):
    clips = noise()
    expected = embedding.fit_transform(clips)
    missing = "mps" if sys.platform != "darwin" else "cuda"
    embedding.device = missing
    loaded = pickle.loads(pickle.dumps(embedding))  # noqa: S301
    np.testing.assert_array_equal(loaded.transform(clips), expected)


# -- Names of tags ---------------------------------------------------------------------


TAGS = ["Speech", "Dog", "Music", "Wind", "Silence"]


@pytest.fixture
def home(weights, server, tmp_path, monkeypatch):
    """Pretend that the small network is the published one, and serve its tags' list."""
    rows = [f"{index},/m/{index},{name}" for index, name in enumerate(TAGS)]
    server.content = "\n".join(["index,mid,display_name", *rows]).encode()
    checksum = f"sha256:{hashlib.sha256(server.content).hexdigest()}"
    name, entry = "efficientat_mn04", NETWORKS["efficientat_mn04"]
    (part,) = entry.files
    part = replace(part, checksum=f"tensors:{checksum_of(read_tensors(weights))}")
    entry = replace(
        entry,
        files=(part,),
        tag_file=replace(entry.tag_file, url=server.url, checksum=checksum),
    )
    for module in (_registry, _pretrained_embedding):
        monkeypatch.setattr(module, "NETWORKS", {name: entry})
    folder = tmp_path / "home"
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(folder))
    copy = folder / part.file_names[0]
    copy.parent.mkdir(parents=True)
    copy.write_bytes(weights.read_bytes())
    return folder


def test_tags_of_the_published_weights_have_their_published_names(home, server):
    embedding = PretrainedEmbedding(sample_rate=RATE).fit(noise())
    assert embedding.tag_names_.tolist() == TAGS
    assert embedding.fit(noise()).tag_names_.tolist() == TAGS
    assert server.n_requests == 1


def test_names_of_tags_are_saved(home, server):
    dump = pickle.dumps(PretrainedEmbedding(sample_rate=RATE).fit(noise()))
    server.close()
    shutil.rmtree(home)
    loaded = pickle.loads(dump)  # noqa: S301
    assert loaded.tag_names_.tolist() == TAGS
    assert loaded.tag(noise()).shape == (3, len(TAGS))


def test_tags_of_a_file_of_weights_are_numbered_and_no_list_is_needed(
    home, server, embedding
):
    numbered = [f"tag{index}" for index in range(len(TAGS))]
    assert embedding.fit(noise()).tag_names_.tolist() == numbered
    assert server.n_requests == 0
    PretrainedEmbedding(sample_rate=RATE).fit(noise())  # brings the list
    assert embedding.fit(noise()).tag_names_.tolist() == numbered


def test_fit_says_which_list_is_missing_and_transform_needs_none(home, server):
    server.close()
    embedding = PretrainedEmbedding(sample_rate=RATE)
    with pytest.raises(ConnectionError, match=r"audioset_class_labels_indices\.csv"):
        embedding.fit(noise())
    assert embedding.transform(noise()).shape == (3, 96)
    assert embedding.tag(noise()).shape == (3, len(TAGS))


# -- A module of the user's own --------------------------------------------------------


def test_a_plain_module_gets_whole_clips_as_they_are():
    module = Loudness()
    clips = ragged_noise([7, 90000])
    embedding = PretrainedEmbedding(module, sample_rate=123).fit(clips)
    expected = [[np.abs(clip).mean(), np.abs(clip).max()] for clip in clips]
    np.testing.assert_allclose(embedding.transform(clips), expected, rtol=1e-5)
    assert embedding.embedding_size_ == 2
    assert not hasattr(embedding, "tag")


def test_a_module_says_its_own_rate_and_window():
    (clip,) = noise(1, 16000)
    embedding = PretrainedEmbedding(
        LoudnessOfWindows(), sample_rate=16000, pooling=None
    )
    at_8000 = np.abs(soxr.resample(clip, 16000, 8000)).reshape(2, 4000)
    np.testing.assert_allclose(
        embedding.fit_transform([clip])[0], [at_8000.mean(axis=1), at_8000.max(axis=1)]
    )


def test_a_module_says_its_own_hop():
    (clip,) = noise(1, 8000)
    embedding = PretrainedEmbedding(
        LoudnessOfOverlaps(), sample_rate=8000, pooling=None
    )
    expected = [np.abs(clip[start:][:4000]).mean() for start in (0, 2000, 4000)]
    np.testing.assert_allclose(
        embedding.fit_transform([clip])[0, 0], expected, rtol=1e-6
    )
    # It belongs to the module's own windows.
    touching = embedding.set_params(window=0.5).fit_transform([clip])
    np.testing.assert_allclose(touching[0, 0], expected[::2], rtol=1e-6)
    apart = embedding.set_params(window=None, hop=0.5).fit_transform([clip])
    np.testing.assert_allclose(apart[0, 0], expected[::2], rtol=1e-6)


def test_a_module_of_known_kind_has_tags(weights):
    network = load_network("efficientat_mn04", weights).train()
    clips = noise()
    embedding = PretrainedEmbedding(network, sample_rate=RATE).fit(clips)
    named = PretrainedEmbedding(weights=weights, sample_rate=RATE).fit(clips)
    np.testing.assert_array_equal(embedding.tag(clips), named.tag(clips))
    assert embedding.tag_names_.tolist() == [f"tag{i}" for i in range(5)]
    np.testing.assert_array_equal(named.tag_names_, embedding.tag_names_)


def test_the_module_itself_is_left_alone():
    module = Loudness().train()
    embedding = PretrainedEmbedding(module).fit(noise())
    assert module.training
    assert not embedding.network_.training
    with torch.no_grad():
        module.weight.zero_()
    assert embedding.transform(noise()).min() > 0


def test_clones_and_pickles_of_a_module_embed_the_same():
    clips = noise()
    embedding = PretrainedEmbedding(Loudness()).fit(clips)
    expected = embedding.transform(clips)
    loaded = pickle.loads(pickle.dumps(embedding))  # noqa: S301
    for copy in (clone(embedding), deepcopy(embedding), loaded):
        np.testing.assert_array_equal(copy.transform(clips), expected)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (torch.nn.Identity(), None),
        (
            torch.nn.Unflatten(1, (1, -1)),
            r"Unflatten returns a Tensor of shape \(1, 1,",
        ),
        (torch.nn.Flatten(0), r"Flatten returns a Tensor of shape \(8000,\)"),
    ],
)
def test_a_module_returns_one_row_per_window(layer, message):
    embedding = PretrainedEmbedding(layer)
    if message is None:
        np.testing.assert_array_equal(embedding.fit_transform(noise()), noise())
        return
    with pytest.raises(ValueError, match=message):
        embedding.fit(noise())


def test_weights_are_not_for_modules(weights):
    with pytest.raises(ValueError, match=r"weights=.*for networks known by name"):
        PretrainedEmbedding(Loudness(), weights=weights).fit(noise())


# -- Bad input -------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_clip_that_is_not_finite_is_named(embedding, value):
    clips = noise()
    embedding.fit(clips)
    clips[1, 77] = value
    for method in (embedding.fit, embedding.transform, embedding.tag):
        with pytest.raises(ValueError, match=r"^clip 1: it contains NaN or infinity"):
            method(clips)


def test_a_clip_that_overflows_is_named(embedding):
    clips = noise()
    clips[2] *= 1e30
    with pytest.raises(
        ValueError, match=r"^clip 2: its embedding overflows.*\[-1, 1\]"
    ):
        embedding.fit_transform(clips)


@pytest.mark.parametrize(
    ("clip", "error", "message"),
    [
        ("dog.wav", TypeError, r"^clip 1 \('dog.wav'\): is a file.*AudioLoader"),
        (np.ones((2, 400)), ValueError, r"^clip 1: has the shape \(2, 400\)"),
        (np.zeros(0), ValueError, "^clip 1: it has 0 samples"),
    ],
)
def test_a_bad_clip_is_an_error_that_names_it(embedding, clip, error, message):
    with pytest.raises(error, match=message):
        embedding.fit([np.ones(400), clip])


def test_unpooled_clips_have_equally_many_windows(embedding):
    embedding.set_params(pooling=None, window=0.125)
    with pytest.raises(ValueError, match=r"^clip 1: its 3 windows are not 1"):
        embedding.fit_transform(ragged_noise([4000, 9000]))


def test_missing_weights_are_an_error_of_fit(tmp_path):
    embedding = PretrainedEmbedding(weights=tmp_path / "lost.safetensors")
    with pytest.raises(FileNotFoundError, match=r"lost\.safetensors"):
        embedding.fit(noise())


@pytest.mark.parametrize(
    "setting",
    [
        {"model": "resnet"},
        {"pooling": "max"},
        {"window": 0.0},
        {"hop": -1.0},
        {"batch_size": 0},
        {"sample_rate": 0},
        {"device": "tpu"},
    ],
)
def test_bad_parameters_are_named(embedding, setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        embedding.set_params(**setting).fit(noise())


def test_an_unknown_network_is_refused_by_every_method():
    embedding = PretrainedEmbedding("resnet")
    for method in (embedding.fit, embedding.transform, embedding.tag):
        with pytest.raises(ValueError, match=r"'model' parameter.*efficientat_mn04"):
            method(noise())


# -- The published network -------------------------------------------------------------


@pytest.fixture
def published(real_data, monkeypatch):
    monkeypatch.setenv("SKLEARN_AUDIO_DATA", str(real_data))
    return PretrainedEmbedding(sample_rate=RATE)


def load(bunch, rows):
    return AudioLoader(RATE, duration=None).transform(bunch.paths[rows])


def test_a_dog_is_a_dog(published):
    esc10 = load_esc10()
    rows = np.flatnonzero(esc10.target == "dog")[:4]
    probabilities = published.fit(load(esc10, rows)).tag(load(esc10, rows))
    is_dog = published.tag_names_ == "Dog"
    assert published.embedding_size_ == 384
    assert probabilities[:, is_dog].min() > 0.6
    assert probabilities[2, is_dog] == pytest.approx(0.78, abs=0.01)


def test_few_clips_are_told_apart_by_a_linear_classifier(published):
    esc10 = load_esc10()
    rows = np.concatenate(
        [np.flatnonzero(esc10.target == name)[::10] for name in esc10.target_names]
    )
    model = make_pipeline(StandardScaler(), LogisticRegression())
    embeddings = published.fit_transform(load(esc10, rows))
    assert cross_val_score(model, embeddings, esc10.target[rows], cv=4).mean() > 0.9


def test_esc50_is_recognised_without_training(published, real_data):
    esc50 = load_esc50()
    table = pd.read_csv(real_data / "word_vectors/esc50_to_audioset.csv").dropna()
    column = dict(zip(table.category, table.audioset_index.astype(int), strict=True))
    is_known = np.isin(esc50.target, list(column)) & (esc50.folds == 4)
    rows = np.flatnonzero(is_known)[::8]
    probabilities = published.tag(load(esc50, rows))
    names = np.array(list(column))
    guesses = names[probabilities[:, list(column.values())].argmax(axis=1)]
    assert (guesses == esc50.target[rows]).mean() > 0.65
