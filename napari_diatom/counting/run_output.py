"""What a run of ``count`` writes: the files of each image, then the tables and ``run.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_diatom.analysis.pipeline import Analysis
from napari_diatom.core.annotations import SHAPES, Annotations
from napari_diatom.core.taxa import Name
from napari_diatom.counting import run_record, table_columns, tables
from napari_diatom.counting.batch_options import Batch, Networks, Skipped
from napari_diatom.counting.export import write_masks
from napari_diatom.counting.image_outputs import Outputs, result_stem
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.counting.overlays import write_overlay
from napari_diatom.counting.result_names import Source
from napari_diatom.counting.results_folder import ResultsFolder, read_part
from napari_diatom.counting.written_files import MASKS
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement.outline_refinement import NO_OUTLINE


@dataclass(frozen=True)
class CountedImages:
    """What has come of the images of a run.

    Attributes
    ----------
    results : sequence of ImageResult
        Of each image, in the order of the inputs.
    outputs : sequence of Outputs
        The files of each of them.
    parts : sequence of Path
        Where each of them is stored, with its specimens.
    skipped : sequence of Skipped
        What is not counted.
    """

    results: Sequence[ImageResult]
    outputs: Sequence[Outputs]
    parts: Sequence[Path]
    skipped: Sequence[Skipped] = ()


def annotations_of(analysis: Analysis, image: SlideImage, names: Sequence[Name] | None = None) -> Annotations:
    """Return the specimens at the threshold as annotations of their image.

    Parameters
    ----------
    analysis : Analysis
        What was found.
    image : SlideImage
        The image.
    names : sequence of Name, optional
        Of the specimens at the threshold, where taxa are named.
    """
    kept = analysis.kept
    flags, shapes = kept.outline_flags, None
    if flags is not None:
        shapes = [SHAPES[0] if flag & NO_OUTLINE else SHAPES[1] for flag in flags.tolist()]
    annotations = Annotations.of(
        kept,
        shapes=shapes,
        origins=analysis.origin,
        image=image.name,
        height=image.height,
        width=image.width,
        pixel_size_um=analysis.pixel_size_um,
    )
    return replace(annotations, names=tuple(names or ()), orientation=image.orientation)


def write_image(
    batch: Batch,
    source: Source,
    image: SlideImage,
    analysis: Analysis,
    names: Sequence[Name] | None,
    seconds: float,
) -> ImageResult:
    """Measure and count what was found in an image, and write its annotations, masks and overlay.

    Parameters
    ----------
    batch : Batch
        Says where to, and which of the files are asked for.
    source, image : Source, SlideImage
        The image and its file.
    analysis : Analysis
        What was found.
    names : sequence of Name or None
        Of the specimens at the threshold, where taxa are named.
    seconds : float
        How long it took to find them.

    Raises
    ------
    InputError
        When the image cannot be read.
    OutputError
        When a file cannot be written.
    """
    out, outputs = batch.out, Outputs.of(source, image, batch.overlays, batch.masks)
    found = annotations_of(analysis, image, names)
    result = ImageResult.of(analysis, source.sample, batch.protocol, seconds, image, names)
    measured = table_columns.measurements(result.specimens, names is not None, bool(analysis.outliner))
    geojson.write(out / outputs.annotations, found, measured)
    if batch.masks:
        write_masks(out / MASKS, result_stem(source, image), found)
    if outputs.overlay:
        write_overlay(out / outputs.overlay, image, analysis.kept)
    return result


def write_run(
    folder: ResultsFolder,
    batch: Batch,
    networks: Networks,
    counted: CountedImages,
    began: datetime,
    seconds: float,
) -> None:
    """Write the tables and ``run.json``, and remove what the folder holds of earlier runs.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    record = run_record.record(batch, networks, counted.results, counted.skipped, began, seconds)
    write_stored(folder, counted, record, batch.xlsx, networks.named, networks.outlined)


def write_stored(
    folder: ResultsFolder,
    counted: CountedImages,
    record: Mapping[str, Any],
    xlsx: bool,
    named: bool,
    outlined: bool,
) -> None:
    """Write the tables and ``run.json`` of stored results; see :func:`write_run`.

    Parameters
    ----------
    folder : ResultsFolder
        Held by the caller.
    counted : CountedImages
        What has come of all images.
    record : Mapping
        What ``run.json`` says.
    xlsx : bool
        Whether to write the tables as XLSX, too.
    named, outlined : bool
        Whether taxa were named, and boxes outlined.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    kinds = named, outlined
    stage = folder.stage()
    tables.write_tables(stage, lambda: _specimen_rows(counted.parts, *kinds), counted.results, xlsx, *kinds)
    tables.write_images(stage / tables.IMAGES_CSV, counted.results)
    tables.write_record(stage / tables.RUN_JSON, record)
    folder.finish(counted.outputs, counted.parts)


def _specimen_rows(parts: Sequence[Path], named: bool, outlined: bool) -> Iterator[table_columns.Row]:
    """Yield the rows of all stored results."""
    for part in parts:
        yield from read_part(part, named, outlined).specimens
