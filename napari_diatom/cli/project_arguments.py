"""What the actions of ``napari-diatom project`` take that change what a project has agreed on."""

from __future__ import annotations

from typing import Any

from napari_diatom.cli.argument_types import decimal, integer, place, text
from napari_diatom.cli.console import CODES


def add_project_changes(actions: Any) -> None:
    """Add the actions ``classes``, ``set``, ``import`` and ``second-count``."""
    _add_classes(actions)
    _add_set(actions)
    _add_import(actions)
    _add_second_count(actions)


def _add_classes(actions: Any) -> None:
    parser = actions.add_parser(
        "classes",
        help="list or change the classes",
        description="List the classes of a project with their specimens, or change them. One change a call.",
        epilog=CODES,
    )
    parser.add_argument("folder", type=place, metavar="PROJECT", help="project folder")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--add", type=text, metavar="NAME", help="add a class")
    change.add_argument("--change", type=text, metavar="NAME", help="change --code, --colour or --key of a class")
    change.add_argument(
        "--rename", nargs=2, type=text, metavar=("NAME", "NEW"), help="rename a class and all its specimens"
    )
    change.add_argument(
        "--merge",
        nargs="+",
        type=text,
        metavar="NAME",
        help="merge classes into one: all their specimens get the class --into",
    )
    change.add_argument("--move", type=text, metavar="NAME", help="move a class to --place in the list")
    change.add_argument("--remove", type=text, metavar="NAME", help="remove a class that has no specimens")
    change.add_argument(
        "--no-taxon",
        nargs="*",
        type=text,
        metavar="NAME",
        help="the classes that do not say of which taxon a specimen is, beside `diatom`; none to clear the list",
    )
    change.add_argument("--import", dest="read", type=place, metavar="FILE", help="add the classes of a taxon list")
    change.add_argument("--export", type=place, metavar="FILE", help="write the classes as a taxon list (CSV)")
    parser.add_argument(
        "--code", metavar="CODE", help="with --add or --change: short name, as of OMNIDIA; empty for none"
    )
    parser.add_argument("--colour", metavar="#RRGGBB", help="with --add or --change")
    parser.add_argument("--key", metavar="KEY", help="with --add or --change: key 1 to 9 in the window; empty for none")
    parser.add_argument("--into", type=text, metavar="NAME", help="with --merge: the class that stays")
    parser.add_argument("--place", type=integer, metavar="N", help="with --move: place in the list, from 1")
    parser.add_argument(
        "--delete-specimens", action="store_true", help="with --remove: delete the specimens of the class, too"
    )


def _add_set(actions: Any) -> None:
    parser = actions.add_parser(
        "set",
        help="set slide, sample or pixel size of images",
        description="Set slide, sample or pixel size of images. The pixel size holds for all images of their slides.",
        epilog=CODES,
    )
    parser.add_argument("folder", type=place, metavar="PROJECT", help="project folder")
    parser.add_argument(
        "images",
        nargs="*",
        type=text,
        metavar="IMAGE",
        help="names of images in the project, as `check` shows them (all)",
    )
    parser.add_argument("--slide", type=text, metavar="NAME", help="slide that the images are of")
    parser.add_argument("--sample", type=text, metavar="NAME", help="sample that the images are of")
    parser.add_argument(
        "--pixel-size", type=decimal, metavar="UM", help="micrometres per pixel of their slides; 0 for unknown"
    )


def _add_import(actions: Any) -> None:
    parser = actions.add_parser(
        "import",
        help="import annotations of other programs",
        description="Import annotations of any format that `convert` reads, all of them or none.",
        epilog="exit codes: 0 success; 1 --dry-run found what keeps it from being done; 2 bad input or no room to "
        "write; 130 interrupted",
    )
    parser.add_argument("folder", type=place, metavar="PROJECT", help="project folder")
    parser.add_argument("annotations", nargs="+", type=place, metavar="FILE", help="files or folders of annotations")
    parser.add_argument("--from", dest="source", type=text, metavar="FORMAT", help="format of the files (detected)")
    parser.add_argument(
        "--image-folder", type=place, metavar="DIR", help="folder of the images, for their sizes and names"
    )
    parser.add_argument(
        "--skip-unknown", action="store_true", help="leave out annotations of images that the project does not have"
    )
    parser.add_argument("--dry-run", action="store_true", help="report what would be imported, and change nothing")


def _add_second_count(actions: Any) -> None:
    parser = actions.add_parser(
        "second-count",
        help="make a project in which another person counts the same fields",
        description="Make a project in which another person counts the fields that are confirmed in PROJECT, without "
        "seeing its specimens and names. `tally PROJECT --second-count FOLDER` then tells how far both agree.",
        epilog=CODES,
    )
    parser.add_argument("project", type=place, metavar="PROJECT", help="project of the first count")
    parser.add_argument("folder", type=place, metavar="FOLDER", help="folder of the new project")
    parser.add_argument("--person", required=True, type=text, metavar="NAME", help="who counts in it")
    parser.add_argument(
        "--sample",
        dest="samples",
        action="append",
        default=[],
        type=text,
        metavar="CODE",
        help="a sample to count again; once for each (all)",
    )
    parser.add_argument("--all-fields", action="store_true", help="take fields, too, that nobody has confirmed yet")
