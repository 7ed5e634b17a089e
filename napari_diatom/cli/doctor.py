"""``napari-diatom doctor``."""

from __future__ import annotations

import argparse
from typing import Any

from napari_diatom.cli.console import OK, PROBLEMS


def run_doctor(arguments: argparse.Namespace) -> int:
    """Print the installation with its problems and notes, and return the exit code."""
    from napari_diatom.diagnostics.checkup import examine

    found = examine()
    print(found.text())
    return PROBLEMS if found.problems else OK


def add_doctor(commands: Any) -> None:
    """Add the command ``doctor``."""
    parser = commands.add_parser(
        "doctor",
        help="check the installation",
        description="Print versions, devices, models and folders, and notes and problems with their remedies. Paste it "
        "into a bug report.",
        epilog="exit codes: 0 no problems, with or without notes; 3 problems were found",
    )
    parser.set_defaults(run=run_doctor)
