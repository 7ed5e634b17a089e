"""The results of one image that was analysed elsewhere, in a folder as ``count`` makes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from napari_diatom.analysis.pipeline import Analysis
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.taxa import Names
from napari_diatom.core.text import printable
from napari_diatom.counting import run_record
from napari_diatom.counting.batch_options import Batch, Networks
from napari_diatom.counting.image_outputs import Outputs
from napari_diatom.counting.result_names import Source, plan_sources
from napari_diatom.counting.results_folder import ResultsFolder
from napari_diatom.counting.run_output import CountedImages, write_image, write_run
from napari_diatom.images.slide_image import SlideImage


def save(
    batch: Batch,
    image: SlideImage,
    analysis: Analysis,
    networks: Networks,
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
    networks : Networks
        What found, named and outlined it.
    names : Names, optional
        Of the specimens at the threshold, where taxa are named.
    seconds : float
        How long the analysis took.

    Raises
    ------
    InputError
        When the folder holds results already and is not to be overwritten, or masks are asked for and there are none.
    ModelError
        When the networks do not go together.
    OutputError
        When something cannot be written.
    """
    networks.check(batch.masks)
    source = _source(image, batch.sample)
    folder = ResultsFolder(batch.out)
    folder.prepare(batch.resume, batch.overwrite)
    try:
        with folder.held():
            folder.open([source], batch.overwrite, run_record.result_settings(batch, networks))
            outputs = Outputs.of(source, image, batch.overlays, batch.masks)
            part = folder.part(source, image)
            folder.claim(outputs)
            verdicts = None if names is None else names.verdicts
            result = write_image(batch, source, image, analysis, verdicts, seconds)
            write_atomically(part, result.to_json())
            file = None if image.path is None else printable(str(image.path))
            facts = result.facts | {"file": file} | outputs.facts()
            counted = CountedImages([replace(result, specimens=(), facts=facts)], [outputs], [part])
            write_run(folder, batch, networks, counted, datetime.now(UTC), seconds)
    finally:
        image.release()


def _source(image: SlideImage, sample: str | None) -> Source:
    """Return what an image is called in a folder of results; an array is a file of its name, of no folder."""
    if image.path is not None:
        return plan_sources([image.path], sample)[0]
    return plan_sources([Path(image.name.replace("/", "_").replace("\\", "_"))], sample or "sample")[0]
