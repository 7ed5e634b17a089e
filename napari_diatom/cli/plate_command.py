"""``napari-diatom plate``: pictures of specimens at one scale, with numbers, scale bar and legend."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from napari_diatom.cli.argument_types import decimal, integer, place, text
from napari_diatom.cli.console import CODES, OK, ProgressBar, quiet_libraries


def add_plate(commands: Any) -> None:
    """Add the command to those of ``napari-diatom``."""
    parser = commands.add_parser(
        "plate",
        help="write a plate of specimens with scale bar and legend",
        description="Write a plate of specimens, upright and at one scale, with its legend as FILE.txt beside it.",
        epilog=CODES,
    )
    parser.add_argument("source", type=place, metavar="FOLDER", help="a project, or a results folder of count")
    parser.add_argument("-o", "--out", required=True, type=place, metavar="FILE", help="plate as .png, .svg or .pdf")
    parser.add_argument(
        "--taxon",
        dest="taxa",
        action="append",
        default=[],
        type=text,
        metavar="NAME",
        help="only this taxon; repeat it",
    )
    parser.add_argument(
        "--sample",
        dest="samples",
        action="append",
        default=[],
        type=text,
        metavar="CODE",
        help="only this sample; repeat it",
    )
    parser.add_argument("--most", type=integer, default=3, metavar="N", help="specimens of a taxon, at most (3)")
    parser.add_argument("--ids", type=place, metavar="FILE", help="show the specimens that this file names, one a line")
    parser.add_argument("--order", choices=("name", "abundance"), default="name", help="order of the taxa (name)")
    parser.add_argument(
        "--magnification", type=decimal, metavar="TIMES", help="size on paper, such as 1500 (as large as fits)"
    )
    parser.add_argument(
        "--page", type=text, default="a4", metavar="SIZE", help="a4, letter, or mm such as 170x230 (a4)"
    )
    parser.add_argument("--dpi", type=integer, default=600, metavar="N", help="pixels per inch (600)")
    parser.add_argument(
        "--images",
        action="append",
        default=[],
        type=place,
        metavar="DIR",
        help="folder that images were moved to, with its subfolders; repeat it",
    )
    parser.add_argument("--proposals", action="store_true", help="show a project's proposals too")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE and its legend")
    parser.set_defaults(run=_run_plate)


def _run_plate(arguments: argparse.Namespace) -> int:
    from napari_diatom.core.progress import ProgressMonitor
    from napari_diatom.reports.plate_choices import PlateChoices
    from napari_diatom.reports.plates import write_plate

    quiet_libraries()
    bar = ProgressBar()
    choices = PlateChoices(
        tuple(arguments.taxa),
        tuple(arguments.samples),
        arguments.most,
        arguments.ids,
        arguments.order,
        arguments.magnification,
        arguments.page,
        arguments.dpi,
        tuple(arguments.images),
        arguments.proposals,
    )
    try:
        written = write_plate(arguments.source, arguments.out, choices, arguments.overwrite, ProgressMonitor(bar))
    finally:
        bar.close()
    for line in written.remarks:
        print(f"warning: {line}", file=sys.stderr)
    print(written.caption)
    print(written.file)
    return OK
