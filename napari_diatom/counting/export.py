"""One image's specimens as a file, in the format that its name asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import by_taxon
from napari_diatom.counting import table_columns, tables, workbook
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.formats.coco import codec as coco
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.label_image import codec as label_tiff
from napari_diatom.formats.label_image.painting import Overlap
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.measurement.measurements import Measurements, measure_annotations

FORMATS: Final = {
    ".csv": "Table, a row per specimen",
    ".xlsx": "Excel, specimens and counts",
    ".geojson": "GeoJSON",
    ".json": "COCO, masks as run lengths",
    ".tif": "Label image, a number per specimen",
}
"""Suffixes and what they stand for, the default first."""
TABLES: Final = (".csv", ".xlsx")
"""Suffixes of tables."""
LABEL_IMAGES: Final = label_tiff.SUFFIXES
"""Suffixes of label images."""


def export(
    path: Path,
    annotations: Annotations,
    numbers: Sequence[int],
    model: str = "",
    measured: Measurements | None = None,
) -> None:
    """Write specimens to ``path``, whole or not at all, in the format of :data:`FORMATS` that its suffix names.

    A label image cannot show overlaps: :func:`label_image_overlap` says beforehand what it leaves out.

    Parameters
    ----------
    path : Path
        The file.
    annotations : Annotations
        The specimens.
    numbers : sequence of int, shape (N,)
        The specimens' numbers in the tables.
    model : str
        Name and version of the model, empty where people drew everything.
    measured : Measurements, optional
        Of the specimens, where they are known already.

    Raises
    ------
    InputError
        When the suffix names no format, or a mask reaches beyond the image, whose size COCO and label images need.
    OutputError
        When the file cannot be written.
    """
    suffix = path.suffix.lower().replace(".tiff", ".tif")
    if suffix not in FORMATS:
        raise InputError(f"{path.name} has an unknown file name ending; use {', '.join(FORMATS)}.")
    if suffix == ".geojson":
        geojson.write(path, annotations)
        return
    if suffix == coco.SUFFIX:
        coco.write(path, annotations, numbers)
        return
    if suffix in label_tiff.SUFFIXES:
        label_tiff.write(path, annotations.detections, *_size(annotations), numbers, annotations.pixel_size_um)
        return
    measured = measure_annotations(annotations) if measured is None else measured
    named, outlined = any(annotations.names), measured.outlines is not None
    column = table_columns.SPECIMEN_COLUMNS.index("specimen")
    written = table_columns.specimen_rows(
        annotations.image, measured, annotations.origins, model, annotations.names if named else None
    )
    rows = [(*row[:column], str(number), *row[column + 1 :]) for number, row in zip(numbers, written, strict=True)]
    if suffix == ".csv":
        tables.write_csv(path, table_columns.specimen_columns(named, outlined), rows)
        return
    found = annotations.detections
    counts = Protocol().counts(by_taxon(found, annotations.names) if named else found)
    result = ImageResult(annotations.image, annotations.image, tuple(rows), counts, {})
    workbook.write_xlsx(path, rows, tables.count_rows([result]), named, outlined)


def label_image_overlap(annotations: Annotations, numbers: Sequence[int]) -> Overlap:
    """Return what a label image of these specimens would leave out; its text is a sentence for the user.

    Raises
    ------
    InputError
        When the image's size is unknown, or a mask reaches beyond it.
    """
    return label_tiff.hidden_pixels(annotations.detections, *_size(annotations), numbers)


def write_masks(folder: Path, stem: str, annotations: Annotations, numbers: Sequence[int] | None = None) -> Overlap:
    """Write the masks of one image as ``folder/stem.tif``, a label image, and ``folder/stem.json``, COCO.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    stem : str
        Name of the files; may hold folders, as the names of annotations do.
    annotations : Annotations
        With the image's size; specimens without masks are written as their boxes.
    numbers : sequence of int, shape (N,), optional
        The specimens' numbers in the tables; from 1 by default.

    Returns
    -------
    Overlap
        What the label image leaves out; the COCO file holds all.

    Raises
    ------
    InputError
        When the image's size is unknown, or a mask reaches beyond it.
    OutputError
        When a file cannot be written.
    """
    own = list(range(1, len(annotations) + 1)) if numbers is None else list(numbers)
    left_out = label_image_overlap(annotations, own)
    for path in mask_files(folder, stem):
        export(path, annotations, own)
    return left_out


def mask_files(folder: Path, stem: str) -> tuple[Path, Path]:
    """Return where :func:`write_masks` writes: the label image, and COCO."""
    # Not with_suffix: a stem may have dots of its own.
    return folder / f"{stem}{label_tiff.SUFFIXES[0]}", folder / f"{stem}{coco.SUFFIX}"


def _size(annotations: Annotations) -> tuple[int, int]:
    """Return the height and width of the image."""
    if annotations.height is None or annotations.width is None:
        raise InputError(f"A label image needs the size of {annotations.image or 'the image'}, which is unknown.")
    return annotations.height, annotations.width
