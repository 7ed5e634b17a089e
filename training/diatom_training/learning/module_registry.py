"""Which training an architecture asks for."""

from __future__ import annotations

from collections.abc import Sequence

from diatom_training.learning.classifier_module import NamingModule
from diatom_training.learning.detector_module import BoxesModule
from diatom_training.learning.instance_module import InstancesModule
from diatom_training.learning.lightning_module import LearningModule
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.outline_module import OutlineModule
from diatom_training.learning.semantic_module import SemanticModule
from diatom_training.learning.torchvision_module import TorchvisionModule
from napari_diatom.models.architecture_names import Engine

MODULES: dict[Engine, type[LearningModule]] = {
    "yolo": BoxesModule,
    "boxes": TorchvisionModule,
    "deeplab": SemanticModule,
    "maps": SemanticModule,
    "maskrcnn": InstancesModule,
    "classifier": NamingModule,
    "outline": OutlineModule,
}
"""The trainings of each engine's networks."""


def module_for(options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> LearningModule:
    """Return the training that the options' architecture asks for."""
    return MODULES[options.engine](options, mean, std)
