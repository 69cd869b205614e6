"""Make a warning in a gallery example an error, as it is in every test."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from typing import Any

_STRICTNESS = ExitStack()


def warnings_are_errors(gallery_conf: dict[str, Any], fname: str, when: str) -> None:
    """Turn warnings into errors before an example; restore the filters after it."""
    _STRICTNESS.close()
    if when == "before":
        _STRICTNESS.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")
