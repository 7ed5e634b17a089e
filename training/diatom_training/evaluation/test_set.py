"""A test set: images with their truth, what they are called, and pictures of mistakes on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import ArrayLike

from diatom_training.data.annotated_slides import Slide
from diatom_training.evaluation.evaluation import EvaluatedModel
from diatom_training.evaluation.mistakes import Mistake, picture
from diatom_training.metrics.test_cases import Case, check_truth
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.images.slide_image import SlideImage, open_images
from napari_diatom.models.card import OUTLINING_TASK, USUAL_THRESHOLD, ModelCard


@dataclass(frozen=True, eq=False)
class TestImage:
    """An image with its truth, which no model that is tested on it may have seen.

    Attributes
    ----------
    image : Path or SlideImage
        A file with one image, or the image itself.
    slide : str
        What it was taken of.
    truth : Detections
        What is there: oriented boxes, with masks where masks are to be compared.
    pixel_size_um : float or None
        Micrometres per pixel; None takes the image's own, if it has one.
    name : str
        What it is called in the report; empty takes the image's own name.
    outlines : sequence of array-like, each of shape (K, 2), or None
        Along which the specimens are cut out to be named, and that models for outlines are to find; None takes their
        masks, else their boxes.
    outlined : sequence of bool or None
        Of each specimen whether it has an outline of its own; None takes all that have masks or outlines.
    """

    image: Path | SlideImage
    slide: str
    truth: Detections
    pixel_size_um: float | None = None
    name: str = ""
    outlines: Sequence[ArrayLike] | None = None
    outlined: Sequence[bool] | None = None

    @classmethod
    def of(cls, slide: Slide) -> TestImage:
        """Return an annotated slide as a test image. Raises InputError when it cannot be opened."""
        return cls(
            slide.open(), slide.group, slide.truth, slide.pixel_size_um, slide.name, slide.outlines, slide.outlined
        )


def open_test_images(images: Sequence[TestImage]) -> list[SlideImage]:
    """Open the images and check their truth; nothing is decoded yet."""
    slides = [_open(item) for item in images]
    # Now, not after hours of analysis.
    check_truth(image_names(slides, images), [item.truth for item in images])
    return slides


def image_names(slides: Sequence[SlideImage], images: Sequence[TestImage]) -> list[str]:
    """Return the names of test images."""
    return [item.name or slide.name for item, slide in zip(images, slides, strict=True)]


def _open(item: TestImage) -> SlideImage:
    """Return the one image of a test image."""
    if isinstance(item.image, SlideImage):
        return item.image
    pages = open_images(item.image)
    if len(pages) != 1:
        raise InputError(
            f"{item.image} holds {len(pages)} images: open it, and give each image with its own annotations."
        )
    return pages[0]


def mistake_renderer(
    slides: Sequence[SlideImage], images: Sequence[TestImage], threshold: float, monitor: ProgressMonitor
) -> Callable[[Mistake, Case], bytes]:
    """Return a function that draws a mistake on a cut-out of its image."""
    by_name = dict(zip(image_names(slides, images), slides, strict=True))

    def drawn(mistake: Mistake, case: Case) -> bytes:
        monitor.check()
        slide = by_name[case.image]
        try:
            return picture(mistake, case, slide, threshold)
        finally:
            slide.release()

    return drawn


def untuned_remarks(card: ModelCard) -> list[str]:
    """Say where a model has no threshold of its own, as one that was right of nothing on its validation images."""
    if card.thresholds or card.task == OUTLINING_TASK:
        return []
    return [
        f"No threshold was tuned for {card.name}, because none of its results on the validation images were right: "
        f"the default of {USUAL_THRESHOLD:.2f} is used."
    ]


def about(card: ModelCard, threshold: float | None) -> EvaluatedModel:
    """Describe the tested model."""
    own = (
        "the model's own, tuned on its validation images" if card.thresholds else "the default, because none was tuned"
    )
    return EvaluatedModel(
        card.name, card.version, card.sha256, card.task, own if threshold is None else "given by the user"
    )
