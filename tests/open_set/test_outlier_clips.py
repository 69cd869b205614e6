"""Outliers made of clips: read off clips that say where each value comes from."""

import numpy as np
import pytest
import torch

from sklearn_audio.open_set._outlier_clips import reverse, splice

N_CLIPS, N_FRAMES = 40, 100


def tell_tale_clips(*shape):
    """Clips in which frame t of clip i is 1000 i + t."""
    clips = 1000.0 * torch.arange(N_CLIPS)[:, None] + torch.arange(float(shape[-1]))
    return clips.reshape(N_CLIPS, *(1,) * (len(shape) - 1), shape[-1]).expand(
        N_CLIPS, *shape
    )


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


shapes = pytest.mark.parametrize("shape", [(N_FRAMES,), (3, N_FRAMES)])
makers = pytest.mark.parametrize("make_outliers", [reverse, splice])


@shapes
def test_half_of_the_clips_backwards(shape):
    X, indices = tell_tale_clips(*shape), torch.arange(N_CLIPS) % 4
    clips, sources = reverse(X, indices, seeded())
    rows = (clips.flatten(1)[:, -1] / 1000).long()
    assert len(set(rows.tolist())) == len(clips) == N_CLIPS // 2
    assert torch.equal(sources, indices[rows])
    for clip, row in zip(clips, rows, strict=True):
        np.testing.assert_array_equal(clip.numpy(), X[row].numpy()[..., ::-1])


@shapes
def test_a_spliced_clip_begins_as_one_class_and_ends_as_another(shape):
    X, indices = tell_tale_clips(*shape), torch.arange(N_CLIPS) % 4
    cuts = []
    for seed in range(20):
        clips, sources = splice(X, indices, seeded(seed))
        assert len(clips) == len(sources) <= N_CLIPS // 2
        for clip, source in zip(clips.reshape(-1, *shape), sources, strict=True):
            rows = (clip.reshape(-1, N_FRAMES)[0] / 1000).floor().long()
            first, second = rows[0], rows[-1]
            assert indices[first] == source != indices[second]
            cuts.append(int((rows == first).sum()))
            expected = torch.cat(
                [X[first][..., : cuts[-1]], X[second][..., cuts[-1] :]], -1
            )
            assert torch.equal(clip, expected)
    # Three pairs of four are of two classes.
    assert len(cuts) == pytest.approx(20 * N_CLIPS / 2 * 0.75, rel=0.15)
    assert (min(cuts), max(cuts)) == (35, 65)


def test_clips_of_one_class_cannot_be_spliced():
    X = tell_tale_clips(3, N_FRAMES)
    clips, sources = splice(X, torch.zeros(N_CLIPS, dtype=torch.long), seeded())
    assert clips.shape == (0, 3, N_FRAMES)
    assert sources.shape == (0,)


@makers
def test_two_clips_of_one_frame(make_outliers):
    X, indices = torch.tensor([[1.0], [2.0]]), torch.tensor([0, 1])
    for seed in range(5):
        clips, sources = make_outliers(X, indices, seeded(seed))
        assert len(clips) == len(sources) <= 1


@makers
def test_the_generator_decides_and_the_batch_is_left_alone(make_outliers):
    X, indices = tell_tale_clips(3, N_FRAMES).clone(), torch.arange(N_CLIPS) % 4
    before = X.clone()
    one, same, other = (make_outliers(X, indices, seeded(s))[0] for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert one.shape != other.shape or not torch.equal(one, other)
    assert torch.equal(X, before)
