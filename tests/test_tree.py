"""The tree stays legible: modules and classes with one subject, and one name for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "napari_diatom", ROOT / "training" / "diatom_training")
API = ROOT / "napari_diatom" / "api"
"""Offers what other modules do, under their names."""

MOST_LINES = 400
"""Lines of the longest module; a longer one has a second subject."""
MOST_METHODS = 25
"""Methods of the largest class, with properties."""
MOST_PARAMETERS = 9
"""Parameters of the widest function, without those that stand for the object or class."""

BASENAMES = {
    "__init__",
    "__main__",
    # of a format each
    "codec",
    "files",
    # of a dock each
    "widget",
    # of a package's work each
    "options",
    # of valves: those that are rendered, and the recipe of the network that finds them
    "outlines",
    # what turns specimens into vectors, and the recipe of its network
    "embedder",
    # a command, and what it does
    "evaluate",
    "explain",
    "project",
    "train",
}
"""Basenames of several modules, whose folders make the sentence whole."""

ROLES = {
    # of a format each
    "dumps",
    "loads",
    "of_data",
    "parsed",
    "read",
    "recognises",
    "write",
    # of a network each
    "build",
    "decode",
    "pad",
    # of a command or recipe each
    "examples",
    "main",
    "make",
    "run",
    "train",
    # beside and inside the child process that does it
    "analyse",
    # of napari's manifest, with and without a window
    "get_reader",
    "read_shapes",
}
"""Names of classes and functions that play the same part in several modules."""


@cache
def trees() -> dict[Path, ast.Module]:
    """Return all modules, parsed."""
    paths = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def public() -> Iterator[tuple[str, str]]:
    """Yield the public classes and functions of modules, each with its module."""
    for path, tree in trees().items():
        for node in tree.body if not path.is_relative_to(API) else ():
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                yield node.name, str(path.relative_to(ROOT))


def test_no_module_grows_beyond_the_longest_one():
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in trees()
        if (lines := path.read_text(encoding="utf-8").count("\n")) > MOST_LINES
    ]
    assert not long, "a second subject wants a module of its own"


def test_no_class_grows_beyond_the_largest_one():
    large = [
        f"{path.relative_to(ROOT)}: {node.name} has {methods} methods"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and (methods := sum(isinstance(item, ast.FunctionDef) for item in node.body)) > MOST_METHODS
    ]
    assert not large, "a second subject wants a class of its own"


def test_no_function_takes_more_parameters_than_can_be_told_apart():
    wide = [
        f"{path.relative_to(ROOT)}: {node.name} takes {taken}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (taken := parameters(node)) > MOST_PARAMETERS
    ]
    assert not wide, "what belongs together wants an object of its own"


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a function takes."""
    taken = function.args
    names = [part.arg for part in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + sum(map(bool, (taken.vararg, taken.kwarg)))


def test_modules_of_one_basename_play_the_same_part():
    found: dict[str, list[str]] = defaultdict(list)
    for path in trees():
        found[path.stem].append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in found.items() if len(paths) > 1 and name not in BASENAMES}


def test_one_public_name_means_one_thing():
    found: dict[str, list[str]] = defaultdict(list)
    for name, module in public():
        found[name].append(module)
    double = {name: modules for name, modules in found.items() if len(modules) > 1}
    assert not {name: modules for name, modules in double.items() if name not in ROLES}
