"""How the scripts are run from the command line: a fault of the input is a line of text and exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from napari_diatom.core.errors import DiatomError


def run(parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], int]) -> int:
    """Do the work with the options of the command line, and return the exit code."""
    options = parser.parse_args()
    try:
        return work(options)
    except DiatomError as error:
        print(error, file=sys.stderr)
        return 2
