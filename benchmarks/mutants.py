"""Mutants: copies of a module with one small fault each."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
# Their swap says the same as a negation of the whole condition.
_DECISIVE = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)

_MODULE = "module"  # what holds the code outside of functions

_SWAPPED_NAMES = {
    name: other
    for pair in [
        ("mean", "sum"),
        ("min", "max"),
        ("argmin", "argmax"),
        ("minimum", "maximum"),
        ("amin", "amax"),
        ("any", "all"),
        ("left", "right"),
    ]
    for name, other in (pair, pair[::-1])
}


@dataclass(frozen=True)
class Mutant:
    """A module with one fault.

    Attributes
    ----------
    name : str
        Function, code before and after; lines may move without changing it.
    tree : ast.Module
        The faulty module.
    is_copied : bool
        Whether the fault is in what others may have copied when they imported the
        module: in a constant or a decorator, not in the body of a function.
    """

    name: str
    tree: ast.Module
    is_copied: bool


def mutants_of(path: Path) -> list[Mutant]:
    """Return every mutant of a module, in the order of its code.

    Operators, comparisons and functions such as mean and sum are swapped, signs and
    negations dropped, numbers and truth values changed, conditions negated, what is
    returned replaced by None, and statements without a result dropped. Docstrings,
    annotations and the wording of messages stay as they are.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    places = list(_places(tree, _MODULE))
    return [
        mutant
        for i, (owner, node) in enumerate(places)
        for mutant in _mutants_at(tree, i, owner, node)
    ]


def _mutants_at(
    tree: ast.Module, place: int, owner: str, node: ast.AST
) -> Iterator[Mutant]:
    for k, faulty in enumerate(_faults(node)):
        mutated = copy.deepcopy(tree)
        _, target = list(_places(mutated, _MODULE))[place]
        _replace(mutated, target, list(_faults(target))[k])
        name = f"{owner}: {_code(node)} -> {_code(faulty)}"
        ast.fix_missing_locations(mutated)
        yield Mutant(name, mutated, is_copied=owner == _MODULE)


def _code(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0]


def _replace(tree: ast.Module, old: ast.AST, new: ast.AST) -> None:
    ast.copy_location(new, old)
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
            elif isinstance(value, list):
                value[:] = [new if item is old else item for item in value]


def _places(node: ast.AST, owner: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield nodes that compute something, each with the function that holds it."""
    yield owner, node
    inside = node.name if isinstance(node, ast.FunctionDef) else owner
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "type_comment"}:
            continue
        holder = owner if field == "decorator_list" else inside
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _only_words(child):
                yield from _places(child, holder)


def _only_words(node: ast.AST) -> bool:
    """Tell whether a node imports, annotates, or words a message."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.keyword(arg="stacklevel"):
            return True
    return False


def _faults(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in place of a node."""
    yield from _faulty_operators(node)
    yield from _faulty_values(node)
    yield from _faulty_statements(node)


def _faulty_operators(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op):
            if type(op) in _SWAPPED:
                yield _with(node, op=_SWAPPED[type(op)]())
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                if type(op) in _SWAPPED:
                    swapped = [*ops[:i], _SWAPPED[type(op)](), *ops[i + 1 :]]
                    yield _with(node, ops=swapped)
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand):
            yield operand


def _faulty_values(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(value=str(name)) if name in _SWAPPED_NAMES:
            yield ast.Constant(_SWAPPED_NAMES[name])
        case ast.Attribute(attr=name) if name in _SWAPPED_NAMES:
            yield _with(node, attr=_SWAPPED_NAMES[name])
        case ast.Call(func=ast.Name(id=name)) if name in _SWAPPED_NAMES:
            yield _with(node, func=ast.Name(_SWAPPED_NAMES[name], ast.Load()))


def _faulty_statements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) if not _is_decided(test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=ast.AST() as value) if not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield ast.Pass()


def _is_decided(test: ast.expr) -> bool:
    """Tell whether other faults negate the condition anyway."""
    match test:
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Compare(ops=[op]):
            return isinstance(op, _DECISIVE)
    return False


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _with(node: ast.AST, **changes: object) -> ast.AST:
    faulty = copy.copy(node)
    for field, value in changes.items():
        setattr(faulty, field, value)
    return faulty
