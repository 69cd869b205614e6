"""Docstrings of the public names say what the signatures and the classes say.

``numpydoc lint`` checks their form file by file. Here are the questions that only the
imported object can answer.
"""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest
from api_reference import own_members, public_objects
from numpydoc.docscrape import NumpyDocString, get_doc_object
from numpydoc.validate import Validator
from sklearn.base import BaseEstimator

import sklearn_audio

OBJECTS = public_objects()
CALLABLES = {name: obj for name, obj in OBJECTS.items() if callable(obj)}
METHODS = {
    f"{name}.{member}": getattr(obj, member)
    for name, obj in OBJECTS.items()
    if inspect.isclass(obj)
    for member in own_members(obj)
    if callable(getattr(obj, member))
}
EXEMPLARY = {
    name: obj
    for name, obj in CALLABLES.items()
    if not (inspect.isclass(obj) and issubclass(obj, BaseException))
}
ESTIMATORS = {
    name: obj
    for name, obj in CALLABLES.items()
    if inspect.isclass(obj) and issubclass(obj, BaseEstimator)
}
SOURCE = "\n".join(
    path.read_text() for path in Path(sklearn_audio.__file__).parent.rglob("*.py")
)


def each(objects):
    """Run a test on every object, under its name."""
    return pytest.mark.parametrize("obj", objects.values(), ids=objects.keys())


def documented_default(type_text):
    """Return what a parameter's type says about its default, or None."""
    match = re.search(r"\bdefault[=: ]\s*(.+)$|\boptional$", type_text, re.DOTALL)
    return match and (match[1] or "None")


def is_same(stated, default):
    """Compare a default as written with the real one: a literal or a name."""
    try:
        return ast.literal_eval(stated) == default
    except (SyntaxError, ValueError):
        name = getattr(default, "__name__", repr(default))
        return stated.rpartition(".")[2] == name


def learned_attributes(cls):
    """Return the attributes ending in ``_`` that a class's own code touches."""
    own_classes = [c for c in cls.__mro__ if c.__module__.startswith("sklearn_audio")]
    trees = [ast.parse(textwrap.dedent(inspect.getsource(c))) for c in own_classes]
    names = {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    }
    return {name for name in names if re.fullmatch(r"[a-z]\w*[a-z0-9]_", name)}


def documented_attributes(cls):
    """Return the names in the section Attributes."""
    section = NumpyDocString(inspect.getdoc(cls))["Attributes"]
    return {name for entry in section for name in entry.name.split(", ")}


@each(CALLABLES | METHODS)
def test_parameters_match_the_signature(obj):
    assert inspect.getdoc(obj), "no docstring"
    assert Validator(get_doc_object(obj)).parameter_mismatches == []


@each(EXEMPLARY | METHODS)
def test_stated_defaults_are_the_real_ones(obj):
    documented = Validator(get_doc_object(obj)).doc_all_parameters
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(obj).parameters.items()
        if parameter.default is not parameter.empty
    }
    # y=None may stand in a signature although y is needed: scikit-learn asks for it.
    for name in documented.keys() & defaults.keys() - {"y"}:
        stated = documented_default(documented[name][0])
        assert stated is not None, f"{name} has a default, but none is documented"
        assert is_same(stated, defaults[name]), name


@each({n: o for n, o in (CALLABLES | METHODS).items() if not inspect.isclass(o)})
def test_results_are_documented(obj):
    doc = NumpyDocString(inspect.getdoc(obj))
    returns_nothing = inspect.signature(obj).return_annotation in (None, "None")
    assert returns_nothing != bool(doc["Returns"] or doc["Yields"])


@each(EXEMPLARY)
def test_examples_are_given(obj):
    assert ">>> " in "\n".join(NumpyDocString(inspect.getdoc(obj))["Examples"])


@each(ESTIMATORS)
def test_learned_attributes_are_documented(obj):
    assert learned_attributes(obj) <= documented_attributes(obj)


@each(ESTIMATORS)
def test_documented_attributes_exist(obj):
    set_by_scikit_learn = {"n_features_in_", "feature_names_in_"}
    unheard_of = [
        name
        for name in documented_attributes(obj) - set_by_scikit_learn
        if not hasattr(obj, name) and not re.search(rf"\.{name}\b", SOURCE)
    ]
    assert unheard_of == []
