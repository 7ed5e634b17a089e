"""The page *Images*: slide, sample and pixel size of the images."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QStringListModel
from qtpy.QtWidgets import QCompleter, QFormLayout, QLineEdit, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.text import many
from napari_diatom.project.image_facts import images_of_slides
from napari_diatom.project.missing_images import missing_images
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pixel_size_edit import PixelSizeEdit
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.project_settings.page_parts import (
    chosen_rows,
    fill_table,
    in_a_row,
    page_layout,
    push_button,
    settings_table,
)
from napari_diatom.widgets.project_settings.settings_session import SettingsSession

_HEADS: Final = ("Image", "Slide", "Sample", "µm/px")


class ImagesPage(QWidget):
    """Shows the images, and changes slide, sample and pixel size of the selected ones, or of all.

    Parameters
    ----------
    session : SettingsSession
        The project, and changes to it.
    """

    def __init__(self, session: SettingsSession) -> None:
        super().__init__()
        self._session = session
        self._ids: list[str] = []
        self._table = settings_table("images_table", "Images of the project", _HEADS)
        for column, width in ((1, 85), (2, 85), (3, 75)):
            self._table.setColumnWidth(column, width)
        self._meant = text_label("images_meant")
        self._slide = _line("slide_name", "Slide", "Name of the slide. Images of a slide stay together in a split")
        self._sample = _line("sample_name", "Sample", "Name of the sample. Counts are added up for each sample")
        self._size = PixelSizeEdit()
        self._is_size_entered = False
        self._set_slide = push_button("slide_set", "Set", "Set the slide of the selected images, or of all")
        self._set_sample = push_button("sample_set", "Set", "Set the sample of the selected images, or of all")
        self._set_size = push_button("pixel_size_set", "Set", "Set the pixel size of the slides of these images")
        form = QFormLayout()
        form.addRow("Slide", in_a_row(self._slide, self._set_slide))
        form.addRow("Sample", in_a_row(self._sample, self._set_sample))
        form.addRow("Pixel size", in_a_row(self._size, self._set_size))
        layout = page_layout(self)
        layout.addWidget(self._table, 1)
        layout.addWidget(self._meant)
        layout.addLayout(form)
        self._table.itemSelectionChanged.connect(self._show_meant)
        self._size.valueChanged.connect(lambda _: self._on_size())
        self._set_slide.clicked.connect(lambda *_: self._apply_slide())
        self._set_sample.clicked.connect(lambda *_: self._apply_sample())
        self._set_size.clicked.connect(lambda *_: self._apply_size())

    def refresh(self) -> None:
        """Show the images of the project. What is being typed for the selected ones stays."""
        project = self._session.project
        settings = None if project is None else project.settings
        missing = set() if project is None else {image.id for image in missing_images(project)}
        chosen = self._selected()
        images = () if settings is None else settings.images
        self._ids = [image.id for image in images]
        sizes = {} if settings is None else settings.pixel_sizes_um
        rows = [
            (
                f"{image.id} (file is missing)" if image.id in missing else image.id,
                image.slide,
                image.sample,
                f"{sizes[image.slide]:.4g}" if image.slide in sizes else "unknown",
            )
            for image in images
        ]
        with signals_blocked(self._table):
            fill_table(self._table, rows)
            for row, id_ in enumerate(self._ids):
                for column in range(len(_HEADS)) if id_ in chosen else ():
                    item = self._table.item(row, column)
                    if item is not None:
                        item.setSelected(True)
        _offer(self._slide, sorted({image.slide for image in images}))
        _offer(self._sample, sorted({image.sample for image in images}))
        self._show_meant(keep_typed=self._selected() == chosen)

    def chosen(self) -> list[str]:
        """Return the ids of the selected images, of all images if none is selected."""
        return self._selected() or list(self._ids)

    def _selected(self) -> list[str]:
        return [self._ids[row] for row in chosen_rows(self._table) if row < len(self._ids)]

    def _show_meant(self, keep_typed: bool = False) -> None:
        """Say which images a change is for, and show what they have now, except where the user types."""
        project, ids = self._session.project, self.chosen()
        is_free = project is not None and not self._session.is_running and bool(ids)
        for button in (self._set_slide, self._set_sample, self._set_size):
            button.setEnabled(is_free)
        if project is None or not ids:
            self._meant.setText("The project has no images.")
            return
        settings = project.settings
        images = [settings.image(id_) for id_ in ids]
        also = len(images_of_slides(settings, ids)) - len(ids)
        more = f" The pixel size is set for {many(also, 'more image')} of their slides, too." if also else ""
        meant = f"{many(len(ids), 'image')} selected."
        if not chosen_rows(self._table):
            meant = f"No image is selected: a change is for all {many(len(ids), 'image')}."
        self._meant.setText(f"{meant}{more}")
        slides, samples = {item.slide for item in images}, {item.sample for item in images}
        sizes = {settings.pixel_sizes_um.get(slide) for slide in slides}
        for line, names in ((self._slide, slides), (self._sample, samples)):
            if not (keep_typed and line.isModified()):
                line.setText(next(iter(names)) if len(names) == 1 else "")
            line.setPlaceholderText(f"{len(names)} different names" if len(names) > 1 else "none")
        if not (keep_typed and (self._is_size_entered or self._size.isTyping())):
            self._is_size_entered = False
            with signals_blocked(self._size):
                self._size.setValue(next(iter(sizes)) if len(sizes) == 1 else None)
        self._size.setHint(f"{len(sizes)} different sizes now." if len(sizes) > 1 else "")

    def _on_size(self) -> None:
        """Note that the user has entered a size."""
        self._is_size_entered = True

    def _apply_slide(self) -> None:
        ids, slide = self.chosen(), self._slide.text()
        if self._session.apply(
            lambda project: project.facts.set(ids, slide=slide),
            f"{many(len(ids), 'image')} of the slide {slide.strip() or 'without a name'}.",
        ):
            self._slide.setModified(False)
            self._show_meant(keep_typed=True)

    def _apply_sample(self) -> None:
        ids, sample = self.chosen(), self._sample.text()
        if self._session.apply(
            lambda project: project.facts.set(ids, sample=sample),
            f"{many(len(ids), 'image')} of the sample {sample.strip() or 'without a name'}.",
        ):
            self._sample.setModified(False)
            self._show_meant(keep_typed=True)

    def _apply_size(self) -> None:
        ids, size = self.chosen(), self._size.value()
        said = "unknown" if size is None else f"{size:.4g} µm"
        if self._session.apply(
            lambda project: project.facts.set_pixel_size(ids, size),
            f"The pixel size is {said} for the slides of these.",
        ):
            self._is_size_entered = False
            self._show_meant(keep_typed=True)


def _line(name: str, title: str, tip: str) -> QLineEdit:
    line = named(QLineEdit(), name)
    line.setAccessibleName(title)
    line.setToolTip(tip)
    line.setCompleter(QCompleter(QStringListModel(line), line))
    return line


def _offer(line: QLineEdit, names: list[str]) -> None:
    """Complete what is typed with names."""
    completer = line.completer()
    known = None if completer is None else completer.model()
    if isinstance(known, QStringListModel) and known.stringList() != names:
        known.setStringList(names)
