"""``napari-diatom descriptors``: elliptic Fourier descriptors of outlines as a table."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from napari_diatom.cli.argument_types import integer, place, text
from napari_diatom.cli.console import CODES, OK, quiet_libraries


def add_descriptors(commands: Any) -> None:
    """Add the command to those of ``napari-diatom``."""
    parser = commands.add_parser(
        "descriptors",
        help="write elliptic Fourier descriptors of outlines",
        description="Write the elliptic Fourier descriptors of all specimens that have an outline, a row each.",
        epilog=CODES,
    )
    parser.add_argument(
        "input", type=place, metavar="INPUT", help="a project, or annotations of any format, such as OUT/annotations"
    )
    parser.add_argument("-o", "--out", required=True, type=place, metavar="FILE", help="CSV file to write")
    parser.add_argument("--harmonics", type=integer, default=20, metavar="N", help="ellipses to an outline (20)")
    parser.add_argument("--from", dest="source", type=text, metavar="FORMAT", help="format of INPUT (detected)")
    parser.add_argument("--images", type=place, metavar="DIR", help="folder of the images, for their names and sizes")
    parser.set_defaults(run=_run_descriptors)


def _run_descriptors(arguments: argparse.Namespace) -> int:
    from napari_diatom.core.text import many
    from napari_diatom.counting.tables import write_csv
    from napari_diatom.measurement.outline_descriptors import checked_harmonics, descriptor_columns, descriptor_rows
    from napari_diatom.project.annotation_conversion import read_source_annotations

    quiet_libraries()
    columns = descriptor_columns(checked_harmonics(arguments.harmonics))
    annotations, remarks = read_source_annotations(arguments.input, arguments.source, arguments.images)
    for remark in remarks:
        print(f"warning: {remark}", file=sys.stderr)
    rows = descriptor_rows(annotations, arguments.harmonics)
    without = sum(map(len, annotations)) - len(rows)
    if without:
        print(f"warning: {many(without, 'specimen')} without an outline left out", file=sys.stderr)
    write_csv(arguments.out, columns, rows)
    print(f"{many(len(rows), 'outline')}: {arguments.out}")
    return OK
