"""Write the API reference from the package's lazy tables of contents.

``sklearn_audio/__init__.pyi`` lists the subpackages and each subpackage's
``__init__.pyi`` lists its public names. lazy_loader turns each stub into the
``__all__`` of its package, and this extension turns each ``__all__`` into pages:

- ``generated/api/index.rst``: the docstring of ``sklearn_audio``;
- ``generated/api/sklearn_audio.<package>.rst``: the package's docstring as an
  introduction, then a table of its classes and one of its functions;
- ``generated/api/sklearn_audio.<package>.<name>.rst``: one page per public name.

So a name that is added to a stub has its page without another line anywhere.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from generated_pages import write_pages

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PACKAGE = "sklearn_audio"
FOLDER = Path("generated", "api")


def public_modules() -> dict[str, ModuleType]:
    """Return the modules that the top table of contents lists, by full name."""
    package = importlib.import_module(PACKAGE)
    members = {name: getattr(package, name) for name in package.__all__}
    return {
        f"{PACKAGE}.{name}": member
        for name, member in members.items()
        if inspect.ismodule(member)
    }


def public_objects() -> dict[str, Any]:
    """Return every public class, function and constant, by full name."""
    return {
        f"{module_name}.{name}": getattr(module, name)
        for module_name, module in public_modules().items()
        for name in getattr(module, "__all__", [])
    }


def own_members(cls: type) -> list[str]:
    """Return the public methods and properties of a class that this package wrote.

    What scikit-learn adds is the same for every estimator and is documented there.
    """
    return [name for name in _public_dir(cls) if _origin(cls, name) == PACKAGE]


def scikit_learn_members(cls: type) -> list[str]:
    """Return the public methods that a class takes over from scikit-learn."""
    return [name for name in _public_dir(cls) if _origin(cls, name) == "sklearn"]


def _public_dir(cls: type) -> list[str]:
    """Return the public attributes of a class, inherited ones too."""
    return [name for name in dir(cls) if not name.startswith("_")]


def _origin(cls: type, name: str) -> str | None:
    """Return the top-level package that wrote a method or property, else None."""
    member = getattr(cls, name)
    function = member.fget if isinstance(member, property) else member
    if not inspect.isroutine(function):
        return None
    return (getattr(function, "__module__", None) or "").partition(".")[0]


def reference_pages() -> dict[str, str]:
    """Return the text of every page: the index, the modules, the public names."""
    modules = public_modules()
    return (
        {"index": _index_page(modules)}
        | {name: _module_page(name, module) for name, module in modules.items()}
        | {name: _object_page(name, obj) for name, obj in public_objects().items()}
    )


def _index_page(modules: dict[str, ModuleType]) -> str:
    """Return the page of the package: its docstring is the table of contents."""
    return "\n".join(
        [
            *_title("API reference"),
            f".. automodule:: {PACKAGE}",
            "   :no-members:",
            "",
            *_hidden_toctree({name: name for name in modules}),
        ]
    )


def _module_page(module_name: str, module: ModuleType) -> str:
    """Return the page of a module: its docstring, then its names in tables."""
    classes: list[str] = []
    others: list[str] = []
    for name in getattr(module, "__all__", []):
        (classes if inspect.isclass(getattr(module, name)) else others).append(name)
    return "\n".join(
        [
            *_title(module_name),
            f".. automodule:: {module_name}",
            "   :no-members:",
            "",
            *_table("Classes", classes),
            *_table("Functions", others),
            *_hidden_toctree({n: f"{module_name}.{n}" for n in [*classes, *others]}),
        ]
    )


def _title(text: str) -> list[str]:
    """Return a page title."""
    return [text, "=" * len(text), ""]


def _table(heading: str, names: list[str]) -> list[str]:
    """Return a heading and a table of linked names with their summaries."""
    if not names:
        return []
    entries = [f"   {name}" for name in names]
    options = ["   :nosignatures:", ""]
    return [f".. rubric:: {heading}", "", ".. autosummary::", *options, *entries, ""]


def _hidden_toctree(pages: dict[str, str]) -> list[str]:
    """Return the toctree that puts pages, by their titles, into the sidebar."""
    if not pages:
        return []
    entries = [f"   {title} <{page}>" for title, page in pages.items()]
    return [".. toctree::", "   :hidden:", "", *entries, ""]


def _object_page(full_name: str, obj: Any) -> str:
    """Return the page of one public name, with the examples that use it."""
    if inspect.isclass(obj):
        body = _class_body(full_name, obj)
    else:
        directive = "autofunction" if inspect.isroutine(obj) else "autodata"
        body = [f".. {directive}:: {full_name}", ""]
    return "\n".join(
        [
            *_title(full_name.rpartition(".")[2]),
            *body,
            f".. minigallery:: {full_name}",
            "   :add-heading: In the gallery",
            "   :heading-level: -",
            "",
        ]
    )


def _class_body(full_name: str, cls: type) -> list[str]:
    """Return the directives that document a class, its own members only."""
    body = [f".. autoclass:: {full_name}"]
    if members := own_members(cls):
        body.append(f"   :members: {', '.join(members)}")
    body.append("")
    if inherited := scikit_learn_members(cls):
        listed = ", ".join(f"``{method}``" for method in inherited)
        body += [".. rubric:: Inherited from scikit-learn", "", listed, ""]
    return body


def _before_reading(app: Sphinx) -> None:
    """Write the pages into the source folder."""
    write_pages(Path(app.srcdir) / FOLDER, reference_pages())


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for source files."""
    app.connect("builder-inited", _before_reading, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
