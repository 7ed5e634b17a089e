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
from napari_diatom.models.card import Task

MODULES: dict[Task, type[LearningModule]] = {
    "boxes": BoxesModule,
    "oriented-boxes": BoxesModule,
    "semantic": SemanticModule,
    "instances": InstancesModule,
    "classes": NamingModule,
    "outlines": OutlineModule,
}


def module_for(options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> LearningModule:
    """Return the training that the options' architecture asks for."""
    return MODULES[options.task](options, mean, std)
