"""Work on blocks of clips, in joblib's threads where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from joblib import effective_n_jobs
from sklearn.utils import gen_batches
from sklearn.utils.parallel import Parallel, delayed


def map_blocks(
    function: Callable[[slice], Any],
    n_clips: int,
    *,
    n_jobs: int | None,
    largest: int | None = None,
) -> list[Any]:
    """Call a function with consecutive slices of all clips.

    Parameters
    ----------
    function : callable
        Takes a slice. Threads share what it writes to.
    n_clips : int
        Number of clips, at least one.
    n_jobs : int or None
        Number of threads as joblib counts them.
    largest : int or None, default=None
        Length of the longest slice. None gives each thread one slice.

    Returns
    -------
    results : list
        What the function returned, in the order of the slices.
    """
    n_threads = effective_n_jobs(n_jobs)
    per_thread = -(-n_clips // n_threads)
    blocks = list(gen_batches(n_clips, min(per_thread, largest or per_thread)))
    # Setting threads up takes longer than a clip does, which is what a server sends.
    if n_threads == 1 or len(blocks) == 1:
        return [function(block) for block in blocks]
    return Parallel(n_jobs=n_jobs, require="sharedmem")(
        delayed(function)(block) for block in blocks
    )
