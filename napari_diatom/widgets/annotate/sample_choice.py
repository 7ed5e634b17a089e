"""Chooses the sample whose specimens are shown."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox
from superqt.utils import signals_blocked

from napari_diatom.project.project import Project
from napari_diatom.samples.image_samples import sample_of
from napari_diatom.widgets.common.object_names import named


class SampleChoice(QComboBox):
    """Offers all samples of a project, and each of them. A project of one sample has no choice, and shows none."""

    def __init__(self) -> None:
        super().__init__()
        named(self, "gallery_sample", "Which samples are shown", "Shown samples")
        self._samples: dict[str, str] = {}

    def set_project(self, project: Project | None) -> None:
        """Offer the samples of a project. A sample that is chosen stays so, if the project has it."""
        self._samples = {} if project is None else {image.id: sample_of(image) for image in project.images}
        offered, chosen = sorted(set(self._samples.values())), self.currentData()
        with signals_blocked(self):
            self.clear()
            self.addItem("all samples", None)
            for sample in offered:
                self.addItem(sample, sample)
            self.setCurrentIndex(max(self.findData(chosen), 0))
        self.setVisible(len(offered) > 1)

    def has(self, image_id: str) -> bool:
        """Return whether an image is of what is chosen."""
        return self.currentData() is None or self._samples.get(image_id) == self.currentData()
