"""What PretrainedEmbedding costs beside a hand-written loop over the network.

Both embed the same clips of ESC-10 with the same network, on one thread, without
gradients. The loop hands the network one window of samples after the other and takes
the mean over those of a clip; it checks nothing, and resamples nothing. The transformer
also checks the clips, and cuts and batches the windows. Each round times both, one
after the other; a row holds the median over the rounds of the transformer's time
divided by the loop's, for clips at the network's own rate.

- EfficientAT mn04 with its published weights: a clip of 5 s is one window.
- VGGish of an eighth of its width with random weights: a clip of 5 s is six windows,
  each of which costs so little that whatever is done around it shows.

The clips, and the weights of mn04, lie in the folder that the environment variable
``SKLEARN_AUDIO_DATA`` names. Run ``python benchmarks/bench_embedding.py``; ``--quick``
needs no data, and only shows that it works.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from harness import Row, interleaved_seconds, median_ratio, real_data, run_benchmark
from numpy.typing import NDArray
from torch import nn

from sklearn_audio.datasets import load_esc10, make_sound_events
from sklearn_audio.feature_extraction import AudioLoader, PretrainedEmbedding
from sklearn_audio.pretrained import EfficientATNetwork, VGGishNetwork, load_network

SECONDS = 5.0
N_CLIPS = 20


def real_clips(sample_rate: int) -> NDArray:
    """Return clips of all classes of ESC-10: (n_clips, n_samples)."""
    paths = load_esc10(data_home=real_data()).paths
    some = paths[:: len(paths) // N_CLIPS][:N_CLIPS]
    return AudioLoader(sample_rate, duration=SECONDS).transform(some)


def synthetic_clips(sample_rate: int) -> NDArray:
    X, _ = make_sound_events(
        1, sample_rate=sample_rate, duration=SECONDS / 2, random_state=0
    )
    return X[:2]


def starts_of_windows(n_samples: int, network: nn.Module) -> list[int]:
    """Return where windows begin; the last one ends with the clip."""
    window = round(network.window * network.sample_rate)
    hop = round(getattr(network, "hop", network.window) * network.sample_rate)
    last = max(0, n_samples - window)
    return [*range(0, last, hop), last]


def embed_by_hand(network: nn.Module, clips: NDArray) -> NDArray:
    """Return the mean embedding of each clip: (n_clips, n_samples) -> (n_clips, D)."""
    window = round(network.window * network.sample_rate)
    starts = starts_of_windows(clips.shape[1], network)
    rows = []
    with torch.no_grad():
        for clip in torch.from_numpy(clips):
            windows = [network(clip[None, i : i + window]) for i in starts]
            rows.append(torch.cat(windows).mean(dim=0))
    return torch.stack(rows).numpy()


def measure_network(name: str, network: nn.Module, clips: NDArray, n_runs: int) -> Row:
    embedding = PretrainedEmbedding(
        network, sample_rate=network.sample_rate, device="cpu"
    ).fit(clips[:1])
    expected = embed_by_hand(network, clips)
    found = embedding.transform(clips)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(expected))
    seconds = interleaved_seconds(
        {
            "hand": lambda: embed_by_hand(network, clips),
            "transform": lambda: embedding.transform(clips),
        },
        n_runs,
    )
    return {
        "network": name,
        "n_clips": len(clips),
        "seconds_per_clip": f"{clips.shape[1] / network.sample_rate:g}",
        "windows_per_clip": len(starts_of_windows(clips.shape[1], network)),
        "clips_per_second": f"{len(clips) / np.median(seconds['transform']):.0f}",
        "transform_to_hand_written_loop": (
            f"{median_ratio(seconds['transform'], seconds['hand']):.3f}"
        ),
        "n_runs": n_runs,
    }


def networks(quick: bool) -> Iterator[tuple[str, nn.Module]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if quick:
            yield "EfficientAT, width 0.1", EfficientATNetwork(width=0.1).eval()
            yield "VGGish, width 1/16", VGGishNetwork(width=1 / 16).eval()
        else:
            yield "EfficientAT mn04", load_network("efficientat_mn04")
            yield "VGGish, width 1/8", VGGishNetwork(width=1 / 8).eval()


def measure(n_runs: int, quick: bool) -> list[Row]:
    make_clips = synthetic_clips if quick else real_clips
    return [
        measure_network(name, network, make_clips(network.sample_rate), n_runs)
        for name, network in networks(quick)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="embedding",
        description=__doc__.splitlines()[0],
        n_runs=41,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
