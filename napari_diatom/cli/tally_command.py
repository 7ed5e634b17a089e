"""``napari-diatom tally``: counts of taxa by sample from what ``count`` wrote, or from a project."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from napari_diatom.cli.argument_types import place, text
from napari_diatom.cli.console import CODES, OK, ProgressBar, print_table, quiet_libraries

_EXPORTS: Final = ("diathor", "darleq3", "seee", "generic", "plankton-toolbox", "darwin-core")
_SCHEMES: Final = ("omnidia", "diatcode", "nbs", "sandre", "dv", "aphiaid")
_AGREEMENT: Final = ("sample", "fields", "both", "first only", "second only", "Bray-Curtis", "same name", "kappa")


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
        metavar="FILE_OR_PRESET",
        help="a protocol.yaml, or plain, france, germany, uk, us, poland (the project's, or plain)",
    )
    parser.add_argument(
        "--samples", type=place, metavar="TABLE", help="facts of the samples, as CSV or XLSX (those of the project)"
    )
    parser.add_argument(
        "--taxa",
        type=place,
        metavar="LIST",
        help="list of taxa: synonyms are merged, codes and planktic taxa come from it (the classes of the project)",
    )
    parser.add_argument(
        "--pattern",
        type=text,
        metavar="PATTERN",
        help="where the sample stands in the names of images, such as '{sample}_*' (the folder, or the project's)",
    )
    parser.add_argument(
        "--evaluation",
        type=place,
        metavar="FOLDER",
        help="what evaluate wrote for the model that named the specimens: corrects shares for what it mixes up",
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
    parser.add_argument(
        "--second-count",
        type=place,
        metavar="PROJECT",
        help="another person's project of the same fields (see project second-count): writes how far both agree",
    )
    parser.add_argument("--report", action="store_true", help="write a page for each sample into OUT/reports")
    parser.add_argument("--overwrite", action="store_true", help="replace a tally that is in OUT")
    exports = parser.add_argument_group("exports for other programs, into OUT/exports")
    exports.add_argument(
        "--export",
        nargs="+",
        action="extend",
        choices=_EXPORTS,
        default=[],
        metavar="FORMAT",
        help=f"any of {', '.join(_EXPORTS)}",
    )
    exports.add_argument(
        "--leave-out-incomplete",
        action="store_true",
        help="leave out taxa without a code, and samples without a fact, that a format needs (an error)",
    )
    exports.add_argument(
        "--darleq3-codes", choices=("nbs", "diatcode"), default="nbs", help="codes of the darleq3 export (nbs)"
    )
    exports.add_argument(
        "--generic-codes", choices=_SCHEMES, default="omnidia", help="codes of the generic export (omnidia)"
    )
    exports.add_argument(
        "--seee-separator",
        choices=("tab", "semicolon", "comma"),
        default="tab",
        help="between columns of the SEEE export (tab)",
    )
    exports.add_argument("--dataset-title", default="", metavar="TEXT", help="title of the Darwin Core archive")
    exports.add_argument("--dataset-owner", default="", metavar="NAME", help="person or institution that it is of")
    exports.add_argument("--dataset-licence", default="", metavar="TEXT", help="its licence, such as CC BY 4.0 (none)")
    parser.set_defaults(run=_run_tally)


def _run_tally(arguments: argparse.Namespace) -> int:
    from napari_diatom.core.progress import ProgressMonitor
    from napari_diatom.samples.exchange.export_choices import ExportChoices, checked_formats
    from napari_diatom.samples.tally_folder import write_tally
    from napari_diatom.samples.tally_options import TallyChoices, TallyOptions

    quiet_libraries()
    bar = ProgressBar()
    out: Path = arguments.out
    options = TallyOptions(
        arguments.source,
        out,
        arguments.protocol or "",
        arguments.samples,
        arguments.taxa,
        TallyChoices(arguments.pattern or "", arguments.proposals, arguments.csv, arguments.evaluation),
        arguments.overwrite,
        checked_formats(arguments.export),
        ExportChoices(
            arguments.darleq3_codes,
            arguments.generic_codes,
            arguments.seee_separator,
            arguments.leave_out_incomplete,
            arguments.dataset_title,
            arguments.dataset_owner,
            arguments.dataset_licence,
        ),
        shapes=arguments.shapes,
        second_count=arguments.second_count,
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
    if written.agreement is not None:
        print("\nAgreement of {} and {}".format(*written.agreement.persons))
        print_table(_AGREEMENT, written.agreement_rows())
    print(out)
    return OK
