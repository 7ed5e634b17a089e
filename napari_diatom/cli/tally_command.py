"""``napari-diatom tally``: counts of taxa by sample from what ``count`` wrote, or from a project."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from napari_diatom.cli.argument_types import place, text
from napari_diatom.cli.console import CODES, OK, ProgressBar, print_table, quiet_libraries


def add_tally(commands: Any) -> None:
    """Add the command to those of ``napari-diatom``."""
    parser = commands.add_parser(
        "tally",
        help="count taxa by sample from what count or a project found",
        description="Count taxa by sample by a protocol, with shares, diversity, sizes and concentrations.",
        epilog=CODES,
    )
    parser.add_argument("source", type=place, metavar="FOLDER", help="a project, or a results folder of count")
    parser.add_argument("-o", "--out", required=True, type=place, metavar="OUT", help="folder for the tables")
    parser.add_argument(
        "--protocol",
        type=text,
        default="plain",
        metavar="FILE_OR_PRESET",
        help="a protocol.yaml, or plain, france, germany, uk, us, poland (plain)",
    )
    parser.add_argument("--samples", type=place, metavar="TABLE", help="facts of the samples, as CSV or XLSX")
    parser.add_argument(
        "--pattern",
        type=text,
        metavar="PATTERN",
        help="where the sample stands in the names of images, such as '{sample}_*' (the folder, or the project's)",
    )
    parser.add_argument("--proposals", action="store_true", help="count a project's proposals too")
    parser.add_argument(
        "--csv",
        choices=("standard", "excel-eu"),
        default="standard",
        help="excel-eu: semicolons, decimal commas and a byte-order mark (standard)",
    )
    parser.add_argument(
        "--shapes", type=place, metavar="TABLE", help="shapes and heights of the cells, for biovolume and carbon"
    )
    parser.add_argument("--report", action="store_true", help="write a page for each sample into OUT/reports")
    parser.add_argument("--overwrite", action="store_true", help="replace a tally that is in OUT")
    parser.set_defaults(run=_run_tally)


def _run_tally(arguments: argparse.Namespace) -> int:
    from napari_diatom.core.progress import ProgressMonitor
    from napari_diatom.samples.tally_folder import TallyOptions, write_tally

    quiet_libraries()
    bar = ProgressBar()
    out: Path = arguments.out
    options = TallyOptions(
        arguments.source,
        out,
        arguments.protocol,
        arguments.samples,
        arguments.pattern or "",
        arguments.proposals,
        arguments.csv,
        arguments.overwrite,
        arguments.shapes,
    )
    monitor = ProgressMonitor(bar)
    try:
        written = write_tally(options, monitor)
        if arguments.report:
            from napari_diatom.reports.sample_report import write_sample_reports

            write_sample_reports(written, monitor)
    finally:
        bar.close()
    for line in written.remarks:
        print(f"warning: {line}", file=sys.stderr)
    print_table(("sample", "fields", "specimens", "counted", "to do"), written.rows())
    print(out)
    return OK
