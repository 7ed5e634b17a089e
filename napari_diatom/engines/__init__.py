"""Neural networks behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_diatom.errors import ModelError

if TYPE_CHECKING:
    from napari_diatom.engines.base import Engine
    from napari_diatom.models.library import ModelFolder


def load(model: ModelFolder, device: str = "auto") -> Engine:
    """Load a model's network.

    Parameters
    ----------
    model : ModelFolder
        See :func:`napari_diatom.models.library.find`.
    device : str
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ModelError
        When the weights are damaged, the device is not there, or no engine knows the model's task.
    """
    model.verify()
    if model.card.engine == "yolo":
        from napari_diatom.engines.yolo import YoloEngine

        return YoloEngine(model, device)
    if model.card.engine == "maskrcnn":
        from napari_diatom.engines.maskrcnn import MaskRcnnEngine

        return MaskRcnnEngine(model, device)
    raise ModelError(
        f"Model {model.card.name} needs the engine {model.card.engine!r}, which this version does not have."
    )
