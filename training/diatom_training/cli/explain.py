"""The command ``napari-diatom explain``."""

from __future__ import annotations

from argparse import Namespace

from diatom_training.evaluation.report_files import HTML
from diatom_training.explanation.explain_image import ExplainOptions, explain_image
from diatom_training.finetune.run_folder import find_model
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor, Report
from napari_diatom.core.text import many
from napari_diatom.images.planes import checked_z
from napari_diatom.images.slide_image import open_images
from napari_diatom.models.library import DEFAULT


def run(arguments: Namespace, bar: Report) -> int:
    """Write what a network sees in an image, and return the exit code.

    Raises
    ------
    DiatomError
        When the image or the model cannot be used, or nothing can be explained.
    """
    options = ExplainOptions(
        arguments.finder,
        arguments.specimens,
        arguments.number,
        arguments.threshold,
        arguments.pixel_size,
        arguments.device,
    )
    model = find_model(arguments.model or DEFAULT)
    images = open_images(arguments.image, arguments.pixel_size, checked_z(arguments.z))
    if len(images) > 1:
        raise InputError(f"{arguments.image} holds {len(images)} images; explain works on a file with one image.")
    done, failed = explain_image(model, images[0], arguments.out, options, ProgressMonitor(bar))
    for explanation in done:
        print(f"specimen {explanation.specimen.number}: {explanation.explained} {explanation.score:.3f}")
    for line in failed:
        print(f"warning: {line}")
    print(f"{many(len(done), 'specimen')} explained\nreport: {arguments.out / HTML}")
    return 0
