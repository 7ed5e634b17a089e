"""From a model and a specimen to what the network sees of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diatom_training.explanation.explanation import Explanation
from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView, view_of
from napari_diatom.core.errors import DiatomError, ModelError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.images.slide_image import ReadableImage
from napari_diatom.models.library import ModelFolder, resolve_model

if TYPE_CHECKING:
    from diatom_training.explanation.explained_network import ExplainedNetwork


@dataclass(frozen=True, eq=False)
class ExplainOrder:
    """What a child process is asked to explain.

    Attributes
    ----------
    model : Path
        Folder of the model.
    specimen : ExplainedSpecimen
        The specimen.
    view : SpecimenView
        What the network is given of it.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    model: Path
    specimen: ExplainedSpecimen
    view: SpecimenView
    device: str = "auto"


IN_CHILD = "diatom_training.explanation.explain:explain_order"
"""What :func:`napari_diatom.analysis.worker_process.call` calls, with an :class:`ExplainOrder`."""


def explain_specimens(
    model: ModelFolder,
    image: ReadableImage,
    specimens: Sequence[ExplainedSpecimen],
    pixel_size_um: float | None,
    device: str = "auto",
    monitor: ProgressMonitor = UNWATCHED,
) -> tuple[list[Explanation], list[str]]:
    """Return what the network of a model sees of specimens, and why it is not told of others.

    Parameters
    ----------
    model : ModelFolder
        Of any engine.
    image : ReadableImage
        Read round each specimen only.
    specimens : sequence of ExplainedSpecimen
        The specimens.
    pixel_size_um : float or None
        Micrometres per pixel of the image.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    monitor : ProgressMonitor
        Reports ``"explained"`` per specimen, and stops there when asked.

    Raises
    ------
    ModelError
        When the network cannot be loaded or looked into.
    Stopped
        When a stop was asked for.
    """
    from diatom_training.explanation.network_opening import open_network

    network = open_network(model, device)
    done: list[Explanation] = []
    failed: list[str] = []
    for count, specimen in enumerate(specimens):
        monitor.report(Progress("explained", count, len(specimens)))
        monitor.check()
        try:
            done.append(explain_view(network, specimen, view_of(model.card, image, specimen, pixel_size_um)))
        except ModelError:
            raise
        except DiatomError as error:
            failed.append(str(error))
    monitor.report(Progress("explained", len(specimens), len(specimens)))
    return done, failed


def explain_view(network: ExplainedNetwork, specimen: ExplainedSpecimen, view: SpecimenView) -> Explanation:
    """Return what a network sees of a specimen in its view.

    Raises
    ------
    InputError
        When the network gives the specimen no score.
    ModelError
        When no layer of the network can be shown.
    """
    from diatom_training.explanation.feature_maps import chosen_maps
    from diatom_training.explanation.grad_cam import grad_cam

    picture = network.picture(view)
    target = network.target(picture, view, specimen)
    cam = grad_cam(network.network, picture, target)
    rollout = network.rollout(picture)
    features = chosen_maps(network.levels(picture), view.pixels.shape[1])
    silent = "" if cam.values.any() else "Nothing in the layer speaks for the score: Grad-CAM is empty."
    return Explanation(
        specimen,
        view,
        network.card.origin,
        target.explained,
        target.score,
        features,
        (cam,) if rollout is None else (cam, rollout),
        (silent,) if silent else (),
    )


def explain_order(
    order: ExplainOrder, networks: object, monitor: ProgressMonitor, tell: Callable[[Any], None]
) -> Explanation:
    """Do in a child process what :class:`ExplainOrder` asks for; see :data:`IN_CHILD`."""
    from diatom_training.explanation.network_opening import open_network

    monitor.report(Progress("load", message="Loading the model"))
    network = open_network(resolve_model(str(order.model)), order.device)
    monitor.check()
    monitor.report(Progress("explain", message="Looking into the network"))
    return explain_view(network, order.specimen, order.view)
