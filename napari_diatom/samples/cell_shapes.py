"""What the cells of each taxon are taken for, from a table, and the volumes and carbon that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_diatom.core.errors import InputError
from napari_diatom.counting.workbook import TableSheet
from napari_diatom.measurement.biovolume import CARBON_FORMULA, CellShape, carbon_pg
from napari_diatom.samples.spreadsheet import read_lines
from napari_diatom.samples.table_files import Columns, table_sheet
from napari_diatom.samples.tally import COUNTED, SampleTally
from napari_diatom.samples.tally_tables import SIZE_FIGURES, size_figures

ALL_OTHERS: Final = "*"
"""In place of a taxon: what all are that the table does not name."""

_NAMES: Final = ("taxon", "name", "species")
_KIND: Final = "a table of cell shapes"


def read_cell_shapes(path: Path) -> dict[str, CellShape]:
    """Read a table with the columns ``taxon``, ``shape``, ``height_ratio`` and, if any, ``fill``.

    A row whose height ratio is empty gives its taxon no volume.

    Parameters
    ----------
    path : Path
        CSV with commas, semicolons or tabs, and decimal points or commas; or XLSX.

    Returns
    -------
    dict of str to CellShape
        By taxon; :data:`ALL_OTHERS` stands for those that are not named.

    Raises
    ------
    InputError
        When it cannot be read, lacks a column, or has rows that cannot be used; every problem is named.
    """
    lines = read_lines(path, _KIND)
    head = [cell.casefold().replace(" ", "_") for cell in lines[0][1]] if lines else []
    at = {name: head.index(name) for name in ("shape", "height_ratio", "fill") if name in head}
    taxon = next((head.index(name) for name in _NAMES if name in head), None)
    if taxon is None or "shape" not in at or "height_ratio" not in at:
        raise InputError(f"{path} needs the columns taxon, shape and height_ratio, with these headings.")
    shapes: dict[str, CellShape] = {}
    problems: list[str] = []
    seen: set[str] = set()
    for number, cells in lines[1:]:
        cells = [*cells, *[""] * (len(head) - len(cells))]
        name = cells[taxon]
        if not name or name in seen:
            problems.append(f"row {number} " + (f"names {name} again" if name else "names no taxon"))
            continue
        seen.add(name)
        if not cells[at["height_ratio"]]:
            continue
        try:
            fill = cells[at["fill"]] if "fill" in at else ""
            ratio, share = _number(cells[at["height_ratio"]]), _number(fill) if fill else 1.0
            shapes[name] = CellShape(cells[at["shape"]].casefold(), ratio, share)
        except InputError as error:
            problems.append(f"row {number} ({name}): {error}")
    if problems:
        raise InputError(f"{path} cannot be used: {'; '.join(problems)}.")
    return shapes


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise InputError(f"{text!r} is not a number") from error


def biovolume_sheet(tally: SampleTally, shapes: Mapping[str, CellShape]) -> TableSheet:
    """Return volume and carbon of a cell by sample and taxon, of the counted specimens that no edge cuts.

    Taxa without a height ratio have no row. The formula of each stands in its row.
    """
    columns: Columns = (
        *((name, "") for name in ("sample", "taxon", "formula")),
        ("n", "d"),
        *((f"volume_um3_{figure}", ".3f") for figure in SIZE_FIGURES),
        ("volume_um3_sum", ".3f"),
        ("carbon_formula", ""),
        *((f"carbon_pg_{figure}", ".4f") for figure in SIZE_FIGURES),
        ("carbon_pg_sum", ".4f"),
    )
    return table_sheet("biovolume", columns, _rows(tally, shapes))


def _rows(tally: SampleTally, shapes: Mapping[str, CellShape]) -> Iterator[tuple[Any, ...]]:
    found = tally.specimens
    usable = (tally.reasons == COUNTED) & (found.edges == 0) & np.isfinite(found.sizes_um).all(axis=1)
    for s, sample in enumerate(tally.samples):
        for t, taxon in enumerate(tally.taxa):
            shape = shapes.get(taxon, shapes.get(ALL_OTHERS))
            chosen = np.flatnonzero(usable & (tally.sample == s) & (found.taxon == t))
            if shape is None or not len(chosen):
                continue
            volumes = shape.volume_um3(*found.sizes_um[chosen].T)
            carbon = carbon_pg(volumes)
            yield (
                *(sample, taxon, shape.formula, len(chosen)),
                *(*size_figures(volumes), float(volumes.sum()), CARBON_FORMULA),
                *(*size_figures(carbon), float(carbon.sum())),
            )
