"""The command line, for people who do not write Python.

``_main`` turns errors into exit codes and ``_parser`` says what can be asked for; both
import nothing but the standard library, so that help comes at once. Each command has
its own file, which is imported when the command is called.
"""

from sklearn_audio._cli._main import main

__all__ = ["main"]
