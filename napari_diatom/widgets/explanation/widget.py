"""The dock widget *What the network sees*: Grad-CAM, attention and feature maps of the selected specimen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, get_args

from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_diatom.analysis import worker_process
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.images.slide_image import from_array
from napari_diatom.models.card import TrainedTask
from napari_diatom.models.library import ModelFolder
from napari_diatom.widgets.common.closing import attach_while_docked, delete_when_closed, when_destroyed
from napari_diatom.widgets.common.dock_keys import MOUSE, ButtonKey, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.models_button import with_models_button
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.detection.model_chooser import ModelChooser
from napari_diatom.widgets.detection.run_progress import RunProgress, quit_all
from napari_diatom.widgets.detection.selected_specimen import SelectedSpecimen, is_of_specimens, selected_specimen
from napari_diatom.widgets.explanation.explanation_layers import add_map, layer_named
from napari_diatom.widgets.explanation.map_buttons import MapButtons, ShownMap

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from diatom_training.explanation.explanation import Explanation

LookInto = Callable[[SelectedSpecimen, ModelFolder, ProgressMonitor], "Explanation"]

_CANCELLED: Final = "Cancelled; nothing has changed."


class ExplainWidget(QWidget):
    """Shows what a network sees of the specimen that is selected in the viewer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    look_into : callable, optional
        Explains a specimen, in a thread; by default :func:`explain_selected`.
    """

    def __init__(self, napari_viewer: Viewer, look_into: LookInto | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._look_into = look_into or explain_selected
        self._watched: Any = None
        self._origin = ""
        self._explained: tuple[SelectedSpecimen, Explanation] | None = None
        self.progress = RunProgress(self)
        self._selected = text_label("selected")
        self._models = ModelChooser(get_args(TrainedTask))
        self._models.setToolTip("The model whose network is looked into")
        self._run = named(QPushButton("Show what it sees"), "explain")
        self._score = text_label("score")
        self._buttons = MapButtons()
        self._build()
        self._run.clicked.connect(lambda *_: self.explain())
        self._models.chosen.connect(self._refresh)
        self._buttons.pressed.connect(self._show_map)
        self.progress.started.connect(self._refresh)
        self.progress.ended.connect(self._refresh)
        DockKeys(self, napari_viewer, [ButtonKey("Alt+R", "explain", "show what the network sees")], lambda: MOUSE)
        share_area(self, "Insides")
        delete_when_closed(self)
        when_destroyed(self, quit_all, self.progress.workers)
        attach_while_docked(self, self._attach, self._detach)

    def explanation(self) -> Explanation | None:
        """Return the shown explanation."""
        return None if self._explained is None else self._explained[1]

    def choose_model(self, name: str) -> None:
        """Choose a model by its name. If it is not installed, keep the choice and show an error."""
        if not self._models.choose(name):
            self.progress.complain(f"The model {name} is not installed.")

    def explain(self) -> None:
        """Look into the network, or show why that cannot be done."""
        selected, model = selected_specimen(self._viewer), self._models.chosen_model()
        if isinstance(selected, str) or model is None:
            self.progress.complain(selected if isinstance(selected, str) else "No model is installed.")
            return
        self.progress.start(
            lambda explanation: self._show(selected, explanation),
            self._look_into,
            selected,
            model,
            cancelled=_CANCELLED,
        )

    def _build(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", with_models_button(self._models, self._viewer))
        buttons = QHBoxLayout()
        buttons.addWidget(self._run, 2)
        buttons.addWidget(self.progress.cancel_button, 1)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self._selected)
        layout.addLayout(form)
        layout.addLayout(buttons)
        layout.addWidget(self.progress.bar)
        layout.addWidget(self.progress.message)
        layout.addWidget(self._score)
        layout.addWidget(self._buttons)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Scrolled(content))

    def _attach(self) -> None:
        """Follow the selection of the viewer."""
        self._viewer.layers.selection.events.active.connect(self._on_active)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._on_active()

    def _detach(self) -> None:
        """Stop the work, and stop following the viewer."""
        quit_all(self.progress.workers)
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._watch(None)

    def _watch(self, layer: Any) -> None:
        """Follow the selected shapes of a layer, and of no other."""
        if self._watched is not None:
            self._watched.selected_data.events.items_changed.disconnect(self._on_selection)
        self._watched = layer
        if layer is not None:
            layer.selected_data.events.items_changed.connect(self._on_selection)

    def _on_active(self, *_: object) -> None:
        layer = self._viewer.layers.selection.active
        self._watch(layer if is_of_specimens(layer) else None)
        self._on_selection()

    def _on_selection(self, *_: object) -> None:
        selected = selected_specimen(self._viewer)
        if isinstance(selected, SelectedSpecimen) and selected.origin != self._origin:
            self._origin = selected.origin
            # The model that found it, unless a person or another program did.
            self._models.choose(selected.origin.rpartition(" ")[0])
        self._refresh()

    def _refresh(self, *_: object) -> None:
        """Say what is selected, and enable the buttons."""
        selected, running = selected_specimen(self._viewer), self.progress.running
        problem = selected if isinstance(selected, str) else ""
        if not problem and self._models.chosen_model() is None:
            problem = "No model is installed."
        self._selected.setText(selected if isinstance(selected, str) else f"Selected: {selected.title}")
        self._run.setEnabled(not running and not problem)
        self._run.setToolTip(problem or "Show where this network looks, and what its layers answer")
        self._models.setEnabled(not running)
        self.progress.cancel_button.setEnabled(running)

    def _show(self, selected: SelectedSpecimen, explanation: Explanation) -> None:
        """Show an explanation."""
        self._take_away()
        self._explained = selected, explanation
        text = f"Of {selected.title}, the {explanation.explained} is {explanation.score:.2f}."
        self._score.setText(" ".join([text, *explanation.remarks]))
        self._buttons.set_explanation(explanation)
        self.progress.say("Press a picture to lay it over the image.")

    def _show_map(self, shown: ShownMap, on: bool) -> None:
        """Lay a map over the image, or take it away."""
        if self._explained is None:
            return
        selected, explanation = self._explained
        name = self._name_of(shown)
        layer = layer_named(self._viewer, name)
        if layer is not None:
            self._viewer.layers.remove(layer)
        elif on and selected.image in self._viewer.layers:
            add_map(self._viewer, selected, explanation.view, shown.values, name, shown.area, shown.smooth)
        elif on:
            self.progress.complain(f"{selected.image_name} was closed. Open it again, and select the specimen there.")
            self._buttons.set_on(shown.title, False)

    def _name_of(self, shown: ShownMap) -> str:
        assert self._explained is not None
        return f"{shown.title}, specimen {self._explained[0].number}"

    def _take_away(self) -> None:
        """Take the maps of the last explanation from the viewer."""
        if self._explained is not None:
            for shown in self._buttons.shown_maps():
                layer = layer_named(self._viewer, self._name_of(shown))
                if layer is not None:
                    self._viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        """Show by the buttons that a map was removed in napari's list of layers."""
        if self._explained is not None:
            for shown in self._buttons.shown_maps():
                if event.value.name == self._name_of(shown):
                    self._buttons.set_on(shown.title, False)


def explain_selected(selected: SelectedSpecimen, model: ModelFolder, monitor: ProgressMonitor) -> Explanation:
    """Return what a network sees of a specimen, computed in a child process.

    Raises
    ------
    Stopped
        Within a second of ``monitor.should_stop()`` becoming true.
    DiatomError
        When the image cannot be read, or the network gives the specimen no score.
    """
    from diatom_training.explanation.explain import IN_CHILD, ExplainOrder
    from diatom_training.explanation.specimen_views import ExplainedSpecimen, view_of

    monitor.report(Progress("start", message="Reading the image"))
    image = from_array(selected.pixels(), selected.image_name, selected.pixel_size_um, selected.image.rgb)
    specimen = ExplainedSpecimen(selected.number, selected.box, selected.outline, selected.name)
    view = view_of(model.card, image, specimen, selected.pixel_size_um)
    monitor.check()
    order = ExplainOrder(model.folder.absolute(), specimen, view)
    explanation: Explanation = worker_process.call(IN_CHILD, order, monitor, lambda news: None)
    return explanation
