"""Opens the network of a model, whatever its engine."""

from __future__ import annotations

from diatom_training.explanation.explained_network import ExplainedNetwork
from napari_diatom.engines.backends import choose_device
from napari_diatom.models.architecture_names import TWO_STAGES
from napari_diatom.models.library import ModelFolder


def open_network(model: ModelFolder, device: str = "auto", trained: bool = True) -> ExplainedNetwork:
    """Open the network of a model.

    Parameters
    ----------
    model : ModelFolder
        See :func:`napari_diatom.models.library.resolve_model`.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    trained : bool
        Whether it gets the model's weights; without them it keeps random ones, for comparison.

    Raises
    ------
    ModelError
        When the weights are damaged, or the device is not there.
    """
    model.verify()
    kind = choose_device(device)
    engine = model.card.engine
    if engine == "yolo":
        from diatom_training.explanation.explained_yolo import ExplainedYolo

        return ExplainedYolo.open(model, kind, trained)
    if engine in ("deeplab", "maps", "outline"):
        from diatom_training.explanation.explained_maps import ExplainedMaps

        return ExplainedMaps.open(model, kind, trained)
    if model.card.architecture.startswith(TWO_STAGES):
        from diatom_training.explanation.explained_maskrcnn import ExplainedMaskRcnn

        return ExplainedMaskRcnn.open(model, kind, trained)
    if engine == "classifier":
        from diatom_training.explanation.explained_classifier import ExplainedClassifier

        return ExplainedClassifier.open(model, kind, trained)
    from diatom_training.explanation.explained_one_stage import ExplainedOneStage

    return ExplainedOneStage.open(model, kind, trained)
