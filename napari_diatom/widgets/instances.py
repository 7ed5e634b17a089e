"""The dock widget *Diatom instances (Mask R-CNN)*: a mask for each specimen, those that lie upon others too."""

from __future__ import annotations

from typing import ClassVar

from napari_diatom.models.card import Task
from napari_diatom.widgets.run import RunWidget


class InstancesWidget(RunWidget):
    """Finds diatoms as masks; see :class:`~napari_diatom.widgets.run.RunWidget`."""

    TASKS: ClassVar[tuple[Task, ...]] = ("instances",)
    VERB = "Find instances"
