"""Neural networks behind one protocol."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from napari_diatom.core.errors import ModelError
from napari_diatom.engines.inference_precision import choose_precision
from napari_diatom.models.card import EMBEDDING_TASK, NAMING_TASK, OUTLINING_TASK

if TYPE_CHECKING:
    from napari_diatom.engines.protocols import AnyEngine, Classifier, Embedder, Engine, Outliner
    from napari_diatom.models.library import ModelFolder


def load(model: ModelFolder, device: str = "auto", threads: int | None = None, precision: str = "auto") -> AnyEngine:
    """Load the network of a model that finds specimens.

    Parameters
    ----------
    model : ModelFolder
        See :func:`napari_diatom.models.library.resolve_model`.
    device : str
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    threads : int, optional
        Of the processor; all that there are by default. One tile is computed by one thread, so that results do not
        depend on their number.
    precision : str
        ``auto`` (8 bits where the model's card proves that they lose next to nothing), ``single``, ``int8`` or
        ``bfloat16``.

    Raises
    ------
    ModelError
        When the weights are damaged or no numbers, the device or the precision is not to be had, no engine knows the
        model's task, or that is to name, outline or compare specimens that others have found.
    """
    _check(model)
    if model.card.engine == "yolo":
        from napari_diatom.engines.yolo import YoloEngine

        return YoloEngine(model, device, threads, precision=precision)
    if model.card.engine in ("deeplab", "maps"):
        from napari_diatom.engines.maps import MapsEngine

        return MapsEngine(model, device, threads, precision)
    if model.card.engine in ("boxes", "maskrcnn"):
        choose_precision(model.card, precision, "cpu")
    if model.card.engine == "boxes":
        from napari_diatom.engines.torchvision_engine import TorchvisionEngine

        return TorchvisionEngine(model, device, threads)
    if model.card.engine == "maskrcnn":
        return _mask_rcnn(model, device, threads)
    if model.card.task == NAMING_TASK:
        raise ModelError(
            f"Model {model.card.name} names specimens but does not find them: use it as --namer, and choose a --model "
            f"that finds them."
        )
    if model.card.task == OUTLINING_TASK:
        raise ModelError(
            f"Model {model.card.name} outlines specimens but does not find them: choose a --model that finds them."
        )
    if model.card.task == EMBEDDING_TASK:
        raise ModelError(
            f"Model {model.card.name} compares specimens but does not find them: choose a --model that finds them."
        )
    raise ModelError(
        f"Model {model.card.name} needs the engine {model.card.engine!r}, which this version does not have."
    )


def _mask_rcnn(model: ModelFolder, device: str, threads: int | None) -> Engine:
    """Load a Mask R-CNN network: in OpenVINO on a CPU, and in torch on a GPU, or where OpenVINO cannot run it."""
    from napari_diatom.engines.backends import choose_device
    from napari_diatom.engines.maskrcnn import MaskRcnnEngine
    from napari_diatom.engines.maskrcnn_openvino import OpenVinoMaskRcnn

    if choose_device(device) == "cpu":
        with suppress(ModelError):
            return OpenVinoMaskRcnn(model, threads)
    return MaskRcnnEngine(model, device, threads)


def load_classifier(model: ModelFolder, device: str = "auto", threads: int | None = None) -> Classifier:
    """Load the network of a model that names specimens; parameters are those of :func:`load`.

    Raises
    ------
    ModelError
        When the weights are damaged, the device is not there, or the model is for another task.
    """
    if model.card.task != NAMING_TASK:
        raise ModelError(
            f"Model {model.card.name} is for {model.card.task} and does not name specimens: use it as --model, and "
            f"choose a --namer trained with task: classes."
        )
    if model.card.engine == "examples":
        from napari_diatom.engines.example_classifier import ExampleClassifier

        return ExampleClassifier(model, device, threads)
    _check(model)
    from napari_diatom.engines.classifier import TorchClassifier

    return TorchClassifier(model, device, threads)


def load_outliner(
    model: ModelFolder, device: str = "auto", threads: int | None = None, precision: str = "auto"
) -> Outliner:
    """Load the network of a model that outlines specimens in their boxes; parameters are those of :func:`load`.

    Raises
    ------
    ModelError
        When the weights are damaged, the device is not there, or the model is for another task.
    """
    if model.card.task != OUTLINING_TASK:
        raise ModelError(
            f"Model {model.card.name} is for {model.card.task} and does not outline specimens in boxes: use it as "
            f"--model, and choose a model for {OUTLINING_TASK} for that."
        )
    _check(model)
    from napari_diatom.engines.outline import BoxOutliner

    return BoxOutliner(model, device, threads, precision=precision)


def load_embedder(model: ModelFolder, device: str = "auto", threads: int | None = None) -> Embedder:
    """Load the network of a model that turns specimens into vectors; parameters are those of :func:`load`.

    Raises
    ------
    ModelError
        When the weights are damaged, the device is not there, or the model is for another task.
    """
    if model.card.task != EMBEDDING_TASK:
        raise ModelError(
            f"Model {model.card.name} is for {model.card.task} and does not compare specimens: choose a model for "
            f"{EMBEDDING_TASK} (see `napari-diatom models list`)."
        )
    _check(model)
    from napari_diatom.engines.embedder import SpecimenEmbedder

    return SpecimenEmbedder(model, device, threads)


def _check(model: ModelFolder) -> None:
    """Check the weights before anything is made of them, or was in an earlier run."""
    from napari_diatom.models.finite_weights import check_numbers

    model.verify()
    check_numbers(model.weights)
