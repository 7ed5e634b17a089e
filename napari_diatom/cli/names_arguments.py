"""What ``napari-diatom names`` takes; what it does is in a module of its own, which loads later."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from napari_diatom.cli.argument_types import integer, place, text
from napari_diatom.cli.console import CODES


def add_names(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add the command ``names``, done by ``run``."""
    parser = commands.add_parser(
        "names",
        help="learn names from examples, suggest and check them",
        description="Names by example: specimens are named as those that look most like them. Nothing is trained.",
    )
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    _add_learn(actions)
    _add_suggest(actions)
    _add_check(actions)


def _add_learn(actions: Any) -> None:
    parser = actions.add_parser(
        "learn",
        help="write what named specimens teach as one file",
        description="Learn from named specimens and write what was learnt as one .diatom-model file, for `count "
        "--namer`. It holds vectors and names, and no pictures.",
        epilog=CODES,
    )
    parser.add_argument(
        "data",
        nargs="+",
        type=place,
        metavar="DATA",
        help="projects, annotations of any format that `convert` reads, or folders with a subfolder for each taxon and "
        "one valve in each picture",
    )
    parser.add_argument("-o", "--out", required=True, type=place, metavar="FILE", help="the .diatom-model file")
    parser.add_argument(
        "--images", type=place, metavar="DIR", help="folder of the images of annotations (where these are)"
    )
    parser.add_argument(
        "--taxa",
        type=place,
        metavar="FILE",
        help="taxon list with columns genus, handed and synonym of, for other data than projects",
    )
    parser.add_argument("--licence", default="", metavar="TEXT", help="licence of the file, for its card")
    _add_common(parser)


def _add_suggest(actions: Any) -> None:
    parser = actions.add_parser(
        "suggest",
        help="suggest names for the specimens of a project",
        description="Suggest names for the specimens of a project that nobody has named. The project is not changed.",
        epilog=CODES,
    )
    parser.add_argument("project", type=place, metavar="PROJECT", help="project folder")
    parser.add_argument("-o", "--out", type=place, metavar="FILE", help="CSV file for the suggestions")
    parser.add_argument(
        "--examples",
        nargs="+",
        type=place,
        default=(),
        metavar="FILE",
        help=".diatom-model files of `names learn` to learn from besides",
    )
    parser.add_argument("--proposals", action="store_true", help="suggest names for proposals too")
    _add_common(parser)


def _add_check(actions: Any) -> None:
    parser = actions.add_parser(
        "check",
        help="find names that may be wrong",
        description="Check the names in a project: tables, and a page with pictures of those that may be wrong.",
        epilog=CODES,
    )
    parser.add_argument("project", type=place, metavar="PROJECT", help="project folder")
    parser.add_argument("-o", "--out", required=True, type=place, metavar="OUT", help="folder for tables and page")
    parser.add_argument(
        "--pictures", type=integer, default=100, metavar="N", help="doubtful names that are shown at most (100)"
    )
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--embedder",
        type=text,
        default="diatom-embed",
        metavar="FILE",
        help="name or file of the model that compares specimens (diatom-embed)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
