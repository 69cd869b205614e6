"""Warnings that callers may want to tell apart from others.

:class:`InconsistentVersionWarning`
    a dump was made by another version of the package
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
