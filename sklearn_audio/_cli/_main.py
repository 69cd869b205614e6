"""One command from its arguments to its exit code."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sklearn_audio._cli._parser import PROGRAM, make_parser

EXIT_INPUT_ERROR = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str or None, default=None
        What follows the program's name. None means what the shell handed over.

    Returns
    -------
    exit_code : int
        0 if all went well, 1 if some files could not be predicted, 2 for errors in the
        input, 130 if the user interrupted.

    Raises
    ------
    SystemExit
        After help or a version with code 0; for wrong arguments with code 2.

    Examples
    --------
    >>> from sklearn_audio._cli import main
    >>> main(["info", "lost.joblib"])
    2
    """
    options = make_parser().parse_args(arguments)
    try:
        with _warnings_in_one_line():
            exit_code = _run(options)
            sys.stdout.flush()
            return exit_code
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)  # below the progress bar
        _complain("interrupted")
        if arguments is None:
            # Python would crash as it takes torch down under threads still at work.
            os._exit(EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read our output, such as head, has enough
        _close_stdout()
        return 0
    except (OSError, ValueError, MemoryError) as error:
        _complain(f"error: {error}")
        return EXIT_INPUT_ERROR


def _run(options: argparse.Namespace) -> int:
    """Import no more than the command needs, and run it."""
    if options.command == "fit":
        from sklearn_audio._cli._fit import fit

        return fit(options)
    if options.command == "predict":
        from sklearn_audio._cli._predict import predict

        return predict(options)
    from sklearn_audio._cli._info import info

    return info(options)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Write what a warning says, and not where in the code it comes from."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        _complain(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _complain(message: str) -> None:
    """Write one line to stderr, however many the message has."""
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)


def _close_stdout() -> None:
    """Keep Python from flushing to a closed pipe on its way out."""
    try:
        stdout = sys.stdout.fileno()
    except io.UnsupportedOperation:  # somebody has put a buffer in its place
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stdout)
    os.close(nowhere)
