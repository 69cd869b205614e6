"""What can be asked for on the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import NoReturn

from sklearn_audio._version import __version__

PROGRAM = "sklearn-audio"

_DESCRIPTION = """\
Train a classifier of sounds on a folder of audio files with one subfolder a class, and
let it name other files, or say that it does not know them.
"""
_EXIT_CODES = """\
exit codes: 0 all went well; 1 some files could not be predicted; 2 wrong arguments or
unusable input; 130 interrupted by Ctrl-C.
"""
_TRUST = "Loading a model runs code that is in it: load only files that you trust."


class _Parser(argparse.ArgumentParser):
    """A parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with what is wrong and where help is to be found."""
        self.exit(2, f"{PROGRAM}: error: {message} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it parses has a ``command``."""
    parser = _Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EXIT_CODES)
    parser.add_argument(
        "--version", action="version", version=f"{PROGRAM} {__version__}"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_fit(
        commands.add_parser(
            "fit",
            help="train a classifier on a folder",
            description="Train a classifier on audio files (wav, flac, ogg, mp3 and "
            "others) and write it to one file.",
        )
    )
    _add_predict(
        commands.add_parser(
            "predict",
            help="name the class of files",
            description="Write one line for each audio file: its path, its class or "
            f"the outlier label, and how familiar it sounds. {_TRUST}",
            epilog=_EXIT_CODES,
        )
    )
    _add_info(
        commands.add_parser(
            "info",
            help="tell what a model is made of",
            description=f"Tell what a model is made of. {_TRUST}",
        )
    )
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="FOLDER", help="folder with one subfolder a class"
    )
    parser.add_argument(
        "--out", metavar="FILE", required=True, help="write the model here"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace FILE if there is one"
    )
    parser.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave files out that cannot be decoded, and say which",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="write nothing but warnings and errors"
    )
    _add_sound_options(parser.add_argument_group("the sound"))
    _add_classifier_options(parser.add_argument_group("the classifier"))
    _add_n_jobs(parser, "threads that read files, and networks trained at once")


def _add_sound_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sample-rate",
        metavar="HZ",
        type=_positive,
        default=16000,
        help="resample to this rate in Hz (default: 16000, which keeps what lies below "
        "8000 Hz)",
    )
    group.add_argument(
        "--duration",
        metavar="SECONDS",
        type=_positive,
        help="crop or pad every clip to this length in seconds (default: what nine "
        "clips in ten fit into, at most 10 s)",
    )


def _add_classifier_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--classifier",
        choices=["network", "linear"],
        default="network",
        help="a convolutional network on log-mel spectrograms, which takes minutes, or "
        "logistic regression on statistics of them, which takes seconds (default: "
        "network)",
    )
    group.add_argument(
        "--max-epochs",
        metavar="N",
        type=_whole_number(1),
        default=50,
        help="passes of the network over the clips (default: 50)",
    )
    group.add_argument(
        "--rejection-rate",
        metavar="SHARE",
        type=_share,
        default=0.05,
        help="share of clips of the known classes that may be called unknown, from 0 "
        "to below 1 (default: 0.05)",
    )
    group.add_argument(
        "--outlier-label",
        metavar="LABEL",
        default="unknown",
        help="what clips of no known class are called (default: unknown)",
    )
    group.add_argument(
        "--cross-validate",
        metavar="K",
        type=_n_folds,
        help="estimate the accuracy on clips that were held out, in K parts; each "
        "costs one more training (default: 5 for linear; 0, that is no estimate, for "
        "network). Clips of one recording or speaker in several parts make the "
        "estimate too good",
    )
    group.add_argument(
        "--random-state",
        metavar="SEED",
        type=_whole_number(0, 2**32 - 1),
        default=0,
        help="seed; the same one gives the same model (default: 0)",
    )


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="file that fit wrote")
    parser.add_argument(
        "files",
        metavar="FILES",
        nargs="+",
        help="audio files; folders, which are searched for audio files at any depth; "
        "or - for paths from the standard input, one a line",
    )
    parser.add_argument(
        "--csv", action="store_true", help="write CSV with a header line"
    )
    parser.add_argument(
        "--proba",
        action="store_true",
        help="write the probability of every known class too",
    )
    _add_n_jobs(parser, "threads that read files")


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="file that fit wrote")
    parser.add_argument(
        "--json", action="store_true", help="write JSON, for other programs"
    )


def _add_n_jobs(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--n-jobs",
        metavar="N",
        type=_n_jobs,
        default=1,
        help=f"{what} (default: 1; -1: one for each processor)",
    )


# argparse turns the errors of these into "argument --duration: ...".


def _positive(text: str) -> float:
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not greater than 0")
    return number


def _share(text: str) -> float:
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to below 1")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _whole_number(lowest: int, highest: float = math.inf) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number"
            ) from None
        if not lowest <= number <= highest:
            upwards = "or more" if highest == math.inf else f"to {highest}"
            raise argparse.ArgumentTypeError(f"{number} is not {lowest} {upwards}")
        return number

    return convert


def _n_folds(text: str) -> int:
    number = _whole_number(0)(text)
    if number == 1:
        raise argparse.ArgumentTypeError("1 is neither 0 nor 2 or more")
    return number


def _n_jobs(text: str) -> int:
    number = _whole_number(-1)(text)
    if number == 0:
        raise argparse.ArgumentTypeError("0 threads can do nothing")
    return number
