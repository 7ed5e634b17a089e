"""The results of one image that was analysed elsewhere, in a folder as ``count`` makes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from napari_diatom.analysis.pipeline import Analysis
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import Names
from napari_diatom.core.text import printable
from napari_diatom.counting import run_record
from napari_diatom.counting.batch_options import Batch
from napari_diatom.counting.result_names import Source, plan_sources
from napari_diatom.counting.results_folder import Outputs, ResultsFolder
from napari_diatom.counting.run_output import CountedImages, write_image, write_run
from napari_diatom.engines.protocols import AnyEngine, Classifier
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.models.card import MASK_TASKS


def save(
    batch: Batch,
    image: SlideImage,
    analysis: Analysis,
    engine: AnyEngine,
    namer: Classifier | None = None,
    names: Names | None = None,
    seconds: float = 0.0,
) -> None:
    """Write the results of an image as :func:`napari_diatom.counting.batch.count` does.

    Parameters
    ----------
    batch : Batch
        Where to, and the options; its inputs are what ``run.json`` says of them.
    image : SlideImage
        The image.
    analysis : Analysis
        What was found in it.
    engine, namer : AnyEngine, Classifier or None
        The networks that found and named it.
    names : Names, optional
        Of the specimens at the threshold, where taxa are named.
    seconds : float
        How long the analysis took.

    Raises
    ------
    InputError
        When the folder holds results already and is not to be overwritten, or masks are asked for and there are none.
    OutputError
        When something cannot be written.
    """
    if batch.masks and engine.card.task not in MASK_TASKS:
        raise InputError(f"Model {engine.card.name} finds boxes, not masks: choose one for maps or instances.")
    source = _source(image, batch.sample)
    folder = ResultsFolder(batch.out)
    folder.prepare(batch.resume, batch.overwrite)
    try:
        folder.begin([source], batch.overwrite)
        folder.settle(run_record.result_settings(batch, engine, namer))
        outputs = Outputs.of(source, image, batch.overlays, batch.masks)
        part = folder.part(source, image)
        folder.claim(outputs)
        verdicts = None if names is None else names.verdicts
        result = write_image(batch, source, image, analysis, verdicts, seconds)
        write_atomically(part, result.to_json())
    except BaseException:
        folder.discard_empty()
        raise
    finally:
        image.release()
    file = None if image.path is None else printable(str(image.path))
    facts = result.facts | {"file": file} | outputs.facts()
    counted = CountedImages([replace(result, specimens=(), facts=facts)], [outputs], [part])
    write_run(folder, batch, engine, namer, counted, datetime.now(UTC), seconds)


def _source(image: SlideImage, sample: str | None) -> Source:
    """Return what an image is called in a folder of results; an array is a file of its name, of no folder."""
    if image.path is not None:
        return plan_sources([image.path], sample)[0]
    return plan_sources([Path(image.name.replace("/", "_").replace("\\", "_"))], sample or "sample")[0]
