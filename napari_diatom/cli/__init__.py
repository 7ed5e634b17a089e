"""The command ``napari-diatom``."""

from napari_diatom.cli.app import execute, main
from napari_diatom.cli.console import BAD_INPUT, INTERRUPTED, OK, SOME_SKIPPED
from napari_diatom.cli.count import run_count

__all__ = ["BAD_INPUT", "INTERRUPTED", "OK", "SOME_SKIPPED", "execute", "main", "run_count"]
