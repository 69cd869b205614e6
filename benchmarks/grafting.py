"""Change what the functions of an imported module do, wherever they are known."""

from __future__ import annotations

import ast
import inspect
from types import FunctionType, ModuleType


def graft(module: ModuleType, tree: ast.Module) -> None:
    """Give the functions of a module, and their methods, the code of another tree.

    Functions keep their identity, so that whoever has imported them calls the new
    code. Numbers and decorators that others have copied already stay as they were.
    """
    namespace = {**vars(module)}
    exec(compile(tree, str(module.__file__), "exec"), namespace)
    for name, new in namespace.items():
        old = vars(module).get(name)
        if isinstance(new, type) and new.__module__ == module.__name__:
            for part, method in vars(new).items():
                _graft_function(vars(old).get(part), method)
        elif not _graft_function(old, new) and not isinstance(new, type):
            vars(module)[name] = new


def _graft_function(old: object, new: object) -> bool:
    old, new = _function_of(old), _function_of(new)
    if not isinstance(old, FunctionType) or not isinstance(new, FunctionType):
        return False
    if old.__code__ != new.__code__:
        old.__code__ = new.__code__
    old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
    return True


def _function_of(value: object) -> object:
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    return inspect.unwrap(value) if callable(value) else value
