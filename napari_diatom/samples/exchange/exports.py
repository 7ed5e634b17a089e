"""All exports of a tally: made together, so that all that is missing is named at once, and written whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.samples.exchange.code_lists import code_list_files
from napari_diatom.samples.exchange.darleq3 import darleq3_files
from napari_diatom.samples.exchange.darwin_core import darwin_core_files
from napari_diatom.samples.exchange.diathor import diathor_files
from napari_diatom.samples.exchange.export_choices import ExportChoices, ExportFormat
from napari_diatom.samples.exchange.exported_counts import ExportCheck, ExportedCounts
from napari_diatom.samples.exchange.plankton_toolbox import plankton_toolbox_files
from napari_diatom.samples.exchange.seee import seee_files

EXPORTS: Final = "exports"
"""Folder of the exports in that of a tally."""

_MADE_BY: Final[Mapping[ExportFormat, Callable[[ExportedCounts, ExportChoices, ExportCheck], dict[str, bytes]]]] = {
    "diathor": diathor_files,
    "darleq3": darleq3_files,
    "seee": seee_files,
    "generic": code_list_files,
    "plankton-toolbox": plankton_toolbox_files,
    "darwin-core": darwin_core_files,
}
_FILES: Final = (
    *("diathor.csv", "darleq3.xlsx", "seee_ibd.txt", "generic/*.csv", "darwin-core.zip"),
    *(f"plankton-toolbox/*/{name}.txt" for name in ("sample_data", "sample_info", "counting_method")),
)
"""What exports are called, of all formats."""


def export_files(
    counts: ExportedCounts, formats: Sequence[ExportFormat], choices: ExportChoices
) -> tuple[dict[str, bytes], list[str]]:
    """Return the files of exports by their names, with ``/``, and what a person should know of them.

    Raises
    ------
    InputError
        When a taxon has no code, or a sample not a fact, that a format needs; everything is named.
    """
    check = ExportCheck(choices.leave_out_incomplete)
    files: dict[str, bytes] = {}
    for name in formats:
        files |= _MADE_BY[name](counts, choices, check)
    check.finish()
    return files, list(dict.fromkeys(check.remarks))


def write_exports(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files of exports into a folder, which is made, and return their paths. Raises OutputError."""
    written = []
    for name, data in files.items():
        path = folder / name
        write_atomically(path, data)
        written.append(path)
    return written


def exports_in(folder: Path) -> list[Path]:
    """Return the files in a folder that are called like exports."""
    return [path for pattern in _FILES for path in sorted(folder.glob(pattern))]


def remove_exports(folder: Path) -> None:
    """Remove the exports of a tally that is replaced; files of other names stay."""
    for path in exports_in(folder):
        path.unlink()
    for path in sorted(folder.glob("plankton-toolbox/*")):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
