"""From an image to the page on what a network sees in it, for the command line and Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diatom_training.evaluation.report_files import ready
from diatom_training.explanation.explain import explain_specimens
from diatom_training.explanation.explanation import Explanation
from diatom_training.explanation.explanation_page import write_explanations
from diatom_training.explanation.image_specimens import USUAL_NUMBER, chosen_specimens, finder_of
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.models.library import ModelFolder


@dataclass(frozen=True)
class ExplainOptions:
    """What is explained, and how.

    Attributes
    ----------
    finder : str or None
        Model that finds the specimens, for one that only outlines or names them; None takes the default model.
    specimens : sequence of int, or None
        Numbers of the specimens, as in ``specimens.csv``; None takes those with the highest scores.
    most : int
        How many these are.
    threshold : float or None
        Lowest score of a specimen; None takes the finder's own.
    pixel_size_um : float or None
        Micrometres per pixel; None takes the image's own.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    finder: str | None = None
    specimens: Sequence[int] | None = None
    most: int = USUAL_NUMBER
    threshold: float | None = None
    pixel_size_um: float | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.specimens is not None and not len(self.specimens):
            raise InputError("No specimens are named; give the number of one or more.")
        if self.most < 1:
            raise InputError(f"{self.most} specimens cannot be explained; give 1 or more.")


def explain_image(
    model: ModelFolder,
    image: SlideImage,
    out: Path | None,
    options: ExplainOptions,
    monitor: ProgressMonitor = UNWATCHED,
) -> tuple[list[Explanation], list[str]]:
    """Find the specimens of an image, and return what the network of a model sees of them.

    Parameters
    ----------
    model : ModelFolder
        Of any task.
    image : SlideImage
        The image.
    out : Path or None
        Folder for ``report.html`` and ``report.json``.
    options : ExplainOptions
        Which specimens, and more.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Returns
    -------
    list of Explanation, list of str
        The explanations, and why there are none of some specimens.

    Raises
    ------
    InputError
        When no specimens are found, there is no specimen of a number, or none can be explained.
    ModelError
        When a model cannot be loaded or looked into.
    OutputError
        When the page cannot be written.
    Stopped
        When a stop was asked for.
    """
    if out is None:
        return _explained(model, image, options, monitor)
    with ready(out):
        done, failed = _explained(model, image, options, monitor)
        write_explanations(out, model.card, image.name, done, failed)
    return done, failed


def _explained(
    model: ModelFolder, image: SlideImage, options: ExplainOptions, monitor: ProgressMonitor
) -> tuple[list[Explanation], list[str]]:
    from napari_diatom import engines

    finder = finder_of(model, options.finder)
    engine = engines.load(finder, options.device)
    asked = AnalysisOptions(threshold=options.threshold, pixel_size_um=options.pixel_size_um)
    analysis = analyse(image, engine, asked, monitor)
    specimens = chosen_specimens(analysis.kept, model.card, options.specimens, options.most)
    done, failed = explain_specimens(model, image, specimens, analysis.pixel_size_um, options.device, monitor)
    if not done:
        raise InputError(" ".join(failed))
    return done, failed
