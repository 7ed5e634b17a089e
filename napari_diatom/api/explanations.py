"""What a network sees of specimens."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_diatom.api.inputs import AnyPath, model_folder, one_image, optional_path, progress_monitor
from napari_diatom.api.prediction import Model
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_integer
from napari_diatom.core.progress import Report, silent
from napari_diatom.core.text import quoted
from napari_diatom.images.planes import BEST
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.models import library

if TYPE_CHECKING:
    from diatom_training.explanation.explanation import Explanation


def explain(
    image: AnyPath | SlideImage | Any,
    model: AnyPath | Model = library.DEFAULT,
    out: AnyPath | None = None,
    *,
    specimens: Sequence[int] | int = 6,
    finder: AnyPath | None = None,
    threshold: float | None = None,
    pixel_size_um: float | None = None,
    device: str = "auto",
    report: Report = silent,
) -> list[Explanation]:
    """Show what a network sees of specimens: Grad-CAM, feature maps, and the attention of transformers.

    Parameters
    ----------
    image : path, SlideImage or array-like
        As for :meth:`Model.predict`.
    model : str, path or Model
        Of any task.
    out : path, optional
        Folder for ``report.html`` and ``report.json``; by default nothing is written.
    specimens : int, or sequence of int
        How many specimens, those with the highest scores; or a list of their numbers, as in ``specimens.csv``.
    finder : str or path, optional
        A model that finds the specimens, if ``model`` only outlines or names them; ``diatom-obb`` by default.
    threshold : float, optional
        Lowest score of a specimen, above 0 and up to 1; the model's own by default.
    pixel_size_um : float, optional
        Micrometres per pixel, instead of the file's own.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each tile and specimen.

    Returns
    -------
    list of Explanation
        One per specimen: ``score``, ``view.pixels``, ``heat_maps[0].values`` (Grad-CAM), ``features[0].maps``.

    Raises
    ------
    InputError
        When the image cannot be read, no specimens are found, or none of them can be explained.
    ModelError
        When a model cannot be loaded or looked into.
    OutputError
        When the report cannot be written.

    Warns
    -----
    UserWarning
        When some of the specimens cannot be explained.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.explain("river.jpg", "diatom-obb", "insides")[0].score  # doctest: +SKIP
    """
    from diatom_training.explanation.explain_image import ExplainOptions, explain_image

    if isinstance(specimens, str):
        raise InputError(f"specimens is {quoted(specimens)}; give a number, or a list of numbers.")
    numbers = None
    most = 1
    if isinstance(specimens, Sequence):
        numbers = [given_integer(number, "A specimen's number") for number in specimens]
    else:
        most = given_integer(specimens, "specimens")
    options = ExplainOptions(
        None if finder is None else str(model_folder(finder).folder),
        numbers,
        most,
        threshold,
        pixel_size_um,
        device,
    )
    folder = model.folder if isinstance(model, Model) else model_folder(model)
    opened = one_image(image, pixel_size_um, None, BEST, "image")
    done, failed = explain_image(folder, opened, optional_path(out, "out"), options, progress_monitor(report))
    for line in failed:
        warnings.warn(line, UserWarning, stacklevel=2)
    return done
