"""The dock widget *Export and convert annotations*: a project, a layer or files, written in any format."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Shapes

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.napari_layers.reader_writer import write_shapes
from napari_diatom.project.annotation_conversion import ConvertOptions, convert_annotations, format_choices
from napari_diatom.widgets.commands.command_widget import CommandWidget
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.forms.pydantic_adapter import options_form
from napari_diatom.widgets.forms.text_edits import PathEdit

if TYPE_CHECKING:
    from napari.viewer import Viewer

_LAYER: Final = "the selected layer"


class ConvertWidget(CommandWidget):
    """Writes annotations in any format, and says what the format does not keep.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    """

    TAB = "Export"

    def __init__(self, napari_viewer: Viewer) -> None:
        self._viewer, self._open = napari_viewer, OpenProject.of(napari_viewer)
        form = options_form(
            ConvertOptions,
            exclude=("source",),
            advanced=("source_format", "images", "split"),
            choices={"format": format_choices(), "source_format": format_choices()},
        )
        self._source = named(PathEdit("any", _LAYER), "source")
        tip = "A project, or a file or folder of annotations in any format; without one, the selected layer is written"
        self._source.name_parts("source", "Annotations", tip)
        form.insert("out", "Annotations", self._source)
        super().__init__(
            "Write a project, annotations of another program, or the selected layer in another format.",
            "Write",
            form,
            _converted,
        )
        if self._open.folder is not None:
            self._source.setValue(self._open.folder)

    def _options(self) -> tuple[ConvertOptions, tuple[Any, dict[str, Any]] | None]:
        """Return the options, and the selected layer where it is what is written."""
        source = self._source.value()
        options = self._form.value(ConvertOptions(source or Path(), Path()))
        if source is not None:
            # Edits of an open project may not be on disk yet.
            self._open.changing.emit(source)
            return options, None
        layer = self._viewer.layers.selection.active
        if not isinstance(layer, Shapes):
            raise InputError("Choose a project or a file of annotations, or select a layer with specimens.")
        data, meta, _ = layer.as_layer_data_tuple()
        return options, (data, meta)


def _converted(given: tuple[ConvertOptions, tuple[Any, dict[str, Any]] | None], monitor: ProgressMonitor) -> list[str]:
    """Write the annotations; return what was done."""
    options, layer = given
    if layer is None:
        return convert_annotations(options, monitor).lines()
    with tempfile.TemporaryDirectory(prefix="napari-diatom-") as folder:
        [file] = write_shapes(str(Path(folder) / "layer.geojson"), *layer)
        return convert_annotations(replace(options, source=Path(file)), monitor).lines()
