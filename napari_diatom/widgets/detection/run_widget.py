"""What the dock widgets that find specimens share: from the image in the viewer to counted, measured specimens."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Image, Labels
from napari.qt.threading import create_worker
from napari.utils.notifications import notification_manager, show_error
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.analysis import worker_process
from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import Progress, Report, ShouldStop
from napari_diatom.core.taxa import UNKNOWN
from napari_diatom.core.text import many
from napari_diatom.images.optics_presets import Presets
from napari_diatom.models import library
from napari_diatom.napari_layers.shapes_layer import ResultFacts
from napari_diatom.widgets.common.closing import delete_when_closed, when_destroyed
from napari_diatom.widgets.common.device_titles import DEVICE_TITLES
from napari_diatom.widgets.common.image_layers import (
    choice_of,
    is_input,
    name_of,
    path_of,
    pixels_of,
    place_of,
    plane_of,
    show_plane,
    stated_by,
    turn_of,
)
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pixel_size_edit import PixelSizeEdit
from napari_diatom.widgets.common.worker import ReportingWorker
from napari_diatom.widgets.detection.form_state import NamingForm, RunForm
from napari_diatom.widgets.detection.result_layer import ResultLayer
from napari_diatom.widgets.detection.results_panel import ResultsPanel
from napari_diatom.widgets.detection.viewer_state import Shared, can_be

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_diatom.analysis.pipeline import Analysis
    from napari_diatom.core.detections import Detections
    from napari_diatom.core.taxa import Names
    from napari_diatom.models.card import Task
    from napari_diatom.models.library import ModelFolder

NameTaxa = Callable[[worker_process.Job, "Detections", Report, ShouldStop], "Names"]
Analyse = Callable[[worker_process.Job, Report, ShouldStop], "Analysis"]

_BREATH_MS: Final = 30
_LEAST_HEIGHT: Final = 240
"""Height, in pixels of the screen, down to which a dock can be made smaller."""
_LINK: Final = "#3a9bdc"
"""A colour of links that can be read on a dark window and on a bright one."""
_UNITS: Final = {"tiles": "Tile", "names": "Specimen"}
"""What the stages of a run are counted in."""


class RunWidget(QWidget):
    """Finds diatoms in an image layer with the models of one kind of task.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    analyse : callable, optional
        Does the work, in a thread; :func:`napari_diatom.analysis.worker_process.analyse` by default.
    list_devices : callable, optional
        Names the devices, in a thread; :func:`napari_diatom.analysis.worker_process.devices` by default.
    presets : Presets, optional
        The optics to choose from; the user's own by default.
    name_taxa : callable, optional
        Names specimens, in a thread; :func:`napari_diatom.analysis.worker_process.name` by default.
    """

    TASKS: ClassVar[tuple[Task, ...]] = ()
    """Tasks of the models that are offered."""
    VERB: ClassVar[str] = "Run"
    """What the button says."""
    HINT: ClassVar[str] = "Find the diatoms in this image"
    """What the button's tool tip says where a run can start."""

    def __init__(
        self,
        napari_viewer: Viewer,
        analyse: Analyse | None = None,
        list_devices: Callable[[], tuple[str, ...]] | None = None,
        presets: Presets | None = None,
        name_taxa: NameTaxa | None = None,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._analyse = analyse or worker_process.analyse
        self._name_taxa = name_taxa or worker_process.name
        self._list_devices = list_devices or worker_process.devices
        self._models: dict[str, ModelFolder] = {}
        self._shared = Shared.of(napari_viewer)
        self._owner = object()
        self._attached = False
        self._borrowed = False
        self._running: list[ReportingWorker] = []
        self._steps: list[Callable[[], object]] = []
        self._maps: WeakKeyDictionary[Image, WeakSet[Image | Labels]] = WeakKeyDictionary()
        self._build(presets)
        self._fill_models()
        self._fill_devices(("auto", "cpu"))
        self._connect()
        self._attach()
        opened = self._shared.results(self._owner)
        if opened and self.result() is None:
            self._choose(opened[-1])
        QTimer.singleShot(0, self._look_for_devices)

    def value(self) -> RunForm:
        """Return the form as it stands."""
        layer = self._image()
        return RunForm(
            image=None if layer is None else choice_of(layer, self._viewer),
            model=self._model_combo.currentData(),
            pixel_size_um=self._pixel_size.value(),
            device=self._device_combo.currentData() or "auto",
            running=bool(self._running),
        )

    def result(self) -> ResultLayer | None:
        """Return the result that is shown."""
        return self._panel.result()

    def choose_model(self, name: str) -> None:
        """Choose a model by its name; where it is not offered here, the choice stays and that is shown."""
        index = self._model_combo.findData(name)
        if index < 0:
            self._say(f"The model {name} is not among those that this widget offers.", error=True)
        else:
            self._model_combo.setCurrentIndex(index)

    def choose_namer(self, folder: Path) -> None:
        """Choose the model that names taxa by its folder."""
        self._panel.taxa.choose(folder)

    def run(self) -> None:
        """Start a run with the form as it stands; what is wrong with it is shown instead."""
        form, layer = self.value(), self._image()
        problem = form.validation_error()
        if problem is not None or layer is None or form.model is None:
            self._say(problem or "", error=True)
            return
        if self._borrowed:
            if not self._ask_about_borrowed(layer):
                return
            form = self.value()
        plane = plane_of(layer, self._viewer)
        job = worker_process.Job(
            name=name_of(layer, self._viewer.layers, plane),
            pixels=pixels_of(layer),
            model=self._models[str(form.model)].folder,
            plane=plane,
            rgb=layer.rgb,
            pixel_size_um=form.pixel_size_um,
            device=form.device,
            options=self._options(),
        )
        started = time.monotonic()
        self._start(lambda analysis: self._on_result(analysis, layer, plane, started), self._analyse, job)

    def naming(self) -> NamingForm:
        """Return what matters before the specimens that are shown are named."""
        namer, result = self._panel.taxa.namer(), self.result()
        return NamingForm(
            namer=None if namer is None else namer.card.name,
            image=None if result is None else result.facts.image,
            opened=result is not None and self._shared.image_of(result) is not None,
            specimens=0 if result is None else len(result.layer.data),
            running=bool(self._running),
        )

    def name_taxa(self) -> None:
        """Name all specimens of the result that is shown; what is in the way is shown instead."""
        problem = self.naming().validation_error()
        namer, result = self._panel.taxa.namer(), self.result()
        image = None if result is None else self._shared.image_of(result)
        if problem is not None or namer is None or result is None or image is None:
            self._say(problem or "", error=True)
            return
        job = worker_process.Job(
            name=result.facts.image,
            pixels=pixels_of(image, result.facts),
            model=namer.folder,
            plane=result.facts.plane,
            rgb=image.rgb,
            device=self._device_combo.currentData() or "auto",
        )
        started = time.monotonic()
        numbers, found = result.to_be_named()

        def named_(names: Names) -> None:
            result.set_names(dict(zip(numbers, names.verdicts, strict=True)), names.taxa())
            unknown = sum(verdict.taxon == UNKNOWN for verdict in names.verdicts)
            self._say(f"{len(names)} looked at in {time.monotonic() - started:.1f} s, {unknown} of them unknown.")

        self._start(named_, self._name_taxa, job, found)

    def _start(self, then: Callable[[Any], object], work: Callable[..., Any], *args: Any) -> None:
        """Do long work in a thread, and then something with what it returns."""
        worker = create_worker(work, *args, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.progressed.connect(self._on_progress)
        worker.returned.connect(then)
        worker.errored.connect(self._on_error)
        worker.stopped.connect(self._on_stopped)
        worker.finished.connect(self._on_finished)
        self._running.append(worker)
        self._progress.setRange(0, 0)
        self._progress.show()
        self._say("Starting")
        self._refresh()
        worker.start()

    def cancel(self) -> None:
        """Ask the run to stop."""
        if self._running:
            _quit_all(self._running)
            self._cancel.setEnabled(False)
            self._say("Cancelling")

    def _build(self, presets: Presets | None) -> None:
        self._image_combo = named(QComboBox(), "image")
        self._image_combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._image_combo.setMinimumContentsLength(12)
        self._model_combo = named(QComboBox(), "model")
        self._device_combo = named(QComboBox(), "device")
        self._pixel_size = PixelSizeEdit(presets)
        self._pixel_size.setObjectName("pixel_size")
        self._borrowed_note = named(QLabel(), "borrowed")
        self._borrowed_note.setWordWrap(True)
        self._borrowed_note.hide()
        self._run = named(QPushButton(self.VERB), "run")
        self._cancel = named(QPushButton("Cancel"), "cancel")
        self._progress = named(QProgressBar(), "progress")
        self._progress.setTextVisible(False)
        self._progress.setMaximumHeight(6)
        self._progress.hide()
        self._message = named(QLabel(), "message")
        self._message.setWordWrap(True)
        self._message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._panel = ResultsPanel(self._viewer)

        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Image", self._image_combo)
        self._add_model_rows(form)
        form.addRow("Pixel size", self._pixel_size)
        form.addRow(self._borrowed_note)
        form.addRow("Device", self._device_combo)
        self._add_option_rows(form)
        buttons = QHBoxLayout()
        buttons.addWidget(self._run, 2)
        buttons.addWidget(self._cancel, 1)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(form)
        layout.addLayout(buttons)
        layout.addWidget(self._progress)
        layout.addWidget(self._message)
        layout.addWidget(self._panel, 100)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(_Scrolled(content))

    def _connect(self) -> None:
        self._image_combo.currentIndexChanged.connect(self._on_image)
        self._model_combo.currentIndexChanged.connect(self._on_model)
        self._pixel_size.valueChanged.connect(self._on_pixel_size)
        self._borrowed_note.linkActivated.connect(lambda _: self._on_pixel_size(self._pixel_size.value()))
        self._run.clicked.connect(self.run)
        self._cancel.clicked.connect(self.cancel)
        self._panel.exported.connect(self._say)
        self._panel.failed.connect(partial(self._say, error=True))
        self._panel.summarised.connect(self._refresh_naming)
        self._panel.taxa.changed.connect(self._refresh_naming)
        self._panel.taxa.asked.connect(self.name_taxa)
        news().changed.connect(self._fill_models)
        delete_when_closed(self)
        # Qt may be rid of the widget before Python is; the slot must not need it.
        when_destroyed(self, _leave, self._running, self._shared, self._owner)

    def _attach(self) -> None:
        """Follow the viewer."""
        self._attached = True
        for emitter, slot in self._followed():
            emitter.connect(slot)
        for layer in self._viewer.layers:
            layer.events.name.connect(self._follow_layers)
        self._shared.opened.connect(self._choose)
        self._shared.closed.connect(self._on_closed)
        self._shared.typed.connect(self._on_typed)
        self._follow_layers()

    def _detach(self) -> None:
        """Stop what goes on and follow the viewer no more."""
        self._attached = False
        _leave(self._running, self._shared, self._owner)
        for emitter, slot in self._followed():
            emitter.disconnect(slot)
        for layer in self._viewer.layers:
            layer.events.name.disconnect(self._follow_layers)
        self._shared.opened.disconnect(self._choose)
        self._shared.closed.disconnect(self._on_closed)
        self._shared.typed.disconnect(self._on_typed)
        self._panel.setResult(None)

    def _followed(self) -> tuple[tuple[Any, Callable[..., None]], ...]:
        """Return what is followed in the viewer, and how."""
        layers, dims = self._viewer.layers, self._viewer.dims
        return (
            (layers.events.inserted, self._on_inserted),
            (layers.events.removed, self._on_removed),
            (layers.events.reordered, self._follow_layers),
            (layers.selection.events.active, self._on_active),
            (dims.events.ndisplay, self._refresh),
            (dims.events.order, self._refresh),
            (dims.events.point, self._on_plane),
        )

    def changeEvent(self, event: QEvent | None) -> None:
        """Leave the viewer when the dock is closed by its cross: napari takes the widget out of it then."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange:
            docked = self.parent() is not None
            if docked and not self._attached:
                self._attach()
            elif not docked and self._attached:
                self._detach()

    def _add_model_rows(self, form: QFormLayout) -> None:
        """Add what a model is chosen by."""
        form.addRow("Model", self._model_combo)

    def _add_option_rows(self, form: QFormLayout) -> None:
        """Add what can be set beside the model; nothing here."""

    def _options(self) -> AnalysisOptions:
        """Return the options of the analysis."""
        return AnalysisOptions(measure=True)

    def _show_maps(self, analysis: Analysis, layer: Image, result: ResultLayer) -> None:
        """Show what was found beside the boxes; nothing here."""

    def _put(
        self, kind: type[Image] | type[Labels], kwargs: dict[str, Any], over: Image, plane: tuple[int, ...]
    ) -> None:
        """Show a map right over its image: in the layer that an earlier run made for it, or in a new one."""
        made = self._maps.setdefault(over, WeakSet())
        for layer in self._viewer.layers:
            bare = getattr(layer, "__wrapped__", layer)
            if bare in made and layer.name == kwargs["name"] and layer.metadata == kwargs["metadata"]:
                layer.data = kwargs["data"]
                return
        layer = kind(**kwargs, **place_of(over, plane))
        made.add(layer)
        self._viewer.layers.insert(self._viewer.layers.index(over) + 1, layer)

    def _image(self) -> Image | None:
        layer = self._image_combo.currentData()
        return layer if isinstance(layer, Image) else None

    def _follow_layers(self) -> None:
        """Offer the viewer's image layers, and keep the choice."""
        chosen = self._image()
        images = [layer for layer in self._viewer.layers if is_input(layer)]
        with signals_blocked(self._image_combo):
            self._image_combo.clear()
            for layer in images:
                self._image_combo.addItem(layer.name, layer)
                path = path_of(layer)
                hint = layer.name if path is None else str(path)
                self._image_combo.setItemData(self._image_combo.count() - 1, hint, Qt.ItemDataRole.ToolTipRole)
            if chosen in images:
                self._image_combo.setCurrentIndex(images.index(chosen))
        if self._image() is not chosen:
            self._on_image()
        self._refresh()

    def _on_inserted(self, event: Any) -> None:
        layer = event.value
        layer.events.name.connect(self._follow_layers)
        if is_input(layer):
            self._follow_layers()
            self._image_combo.setCurrentIndex(self._image_combo.findData(layer))

    def _on_removed(self, event: Any) -> None:
        event.value.events.name.disconnect(self._follow_layers)
        self._follow_layers()

    def _on_closed(self, result: ResultLayer) -> None:
        """Show what else there is of the image when the layer of a result was taken away."""
        if self._panel.result() is result:
            self._panel.setResult(None)
            self._show_result_of(self._image())

    def _on_active(self, event: Any) -> None:
        layer = event.value
        if is_input(layer):
            self._image_combo.setCurrentIndex(self._image_combo.findData(layer))
            self._show_result_of(layer)
            return
        result = self._shared.get(layer)
        if result is not None and not self._steps and result in self._shared.results(self._owner):
            self._choose(result)

    def _choose(self, result: ResultLayer) -> None:
        """Show a result, and choose the image and the plane that it lies on."""
        image = self._shared.image_of(result)
        if image is not None:
            show_plane(image, result.facts.plane, self._viewer)
        if self._panel.result() is not result:
            self._panel.setResult(result)
        if image is not None:
            self._image_combo.setCurrentIndex(self._image_combo.findData(image))
        elif self._image() is None:
            self._show_pixel_size(None)

    def _is_shown(self, result: ResultLayer, image: Image) -> bool:
        """Return whether a result lies on an image, on the plane of it that the viewer shows."""
        plane = result.facts.plane
        return self._shared.image_of(result) is image and (not plane or plane == plane_of(image, self._viewer))

    def _show_result_of(self, image: Image | None) -> None:
        """Show what lies on the chosen image, the newest of several, and nothing where there is nothing."""
        shown = self._panel.result()
        if image is None or self._steps or (shown is not None and self._is_shown(shown, image)):
            return
        found = [result for result in self._shared.results(self._owner) if self._is_shown(result, image)]
        self._panel.setResult(found[-1] if found else None)

    def _on_plane(self, *_: Any) -> None:
        """Show the result of the plane of a stack that the viewer shows now."""
        image = self._image()
        if image is None or image.ndim <= 2 or self._steps:
            return
        before = self._panel.result()
        self._show_result_of(image)
        now = self._panel.result()
        if now is before:
            return
        active = self._shared.get(self._viewer.layers.selection.active)
        if active is not None and self._shared.image_of(active) is image and not self._is_shown(active, image):
            # What is drawn now belongs to this plane, not to the one before.
            self._viewer.layers.selection.active = image if now is None else now.layer
        if not self._running:
            there = [result for result in self._shared.results(self._owner) if self._shared.image_of(result) is image]
            names = ", ".join(dict.fromkeys(result.facts.image for result in there))
            self._say(f"This plane was not searched yet. There are results for {names}." if now is None else "")

    def _on_image(self) -> None:
        """Show the results of this image, and its pixel size: the typed one, else its own, else the one typed last."""
        layer = self._image()
        if not self._running:
            self._say("")
        self._show_pixel_size(layer)
        self._show_result_of(layer)
        self._refresh()

    def _show_pixel_size(self, layer: Image | None) -> None:
        shown = self._panel.result()
        size, hint, self._borrowed = None, "", False
        if layer is None:
            size = None if shown is None else shown.facts.pixel_size_um
        else:
            try:
                size = self._shared.pixel_size(layer)
            except KeyError:
                stated = stated_by(layer)
                size, last = stated.um, self._shared.last_typed
                hint = " ".join([*(["Taken from the image."] if size is not None else []), *stated.notices])
                if stated.notices:
                    self._say(" ".join(stated.notices))
                if size is None and last is not None:
                    size, self._borrowed = last.size_um, True
                    hint = f"Typed for {self._typed_for()}; this image does not state its own."
        with signals_blocked(self._pixel_size):
            self._pixel_size.setValue(size)
        self._pixel_size.setHint(hint)
        self._borrowed_note.setText(
            f"{escape(hint)} <a href='keep' style='color: {_LINK}'>Use it here too</a>" if self._borrowed else ""
        )
        self._borrowed_note.setVisible(self._borrowed)

    def _typed_for(self) -> str:
        """Return what the image is called that a pixel size was typed for last, told apart from those open now."""
        last = self._shared.last_typed
        image = None if last is None else last.image()
        if image is not None and image in self._viewer.layers:
            return name_of(image, self._viewer.layers)
        return "" if last is None else last.name

    def _ask_about_borrowed(self, layer: Image) -> bool:
        """Ask, once an image, whether the pixel size of another one is right here; return whether to go on."""
        size, last = self._pixel_size.value(), self._shared.last_typed
        other = "" if last is None else f", as you typed for {self._typed_for()}"
        kinds = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Pixel size",
            f"{name_of(layer, self._viewer.layers)} does not state its pixel size. Is it {size:g} µm{other}?\n\n"
            "With No it stays unknown, and lengths are given in pixels.",
            kinds.Yes | kinds.No | kinds.Cancel,
            kinds.Yes,
        )
        if answer not in (kinds.Yes, kinds.No):
            return False
        self._on_pixel_size(size if answer == kinds.Yes else None)
        return True

    def _on_pixel_size(self, size: float | None) -> None:
        """Take in what the user says of the pixel size of the chosen image; without images, of the result shown."""
        layer, result = self._image(), self._panel.result()
        if layer is not None:
            self._shared.type_pixel_size(layer, name_of(layer, self._viewer.layers), size)
        elif result is not None and can_be(size):
            result.set_pixel_size(size)
        self._refresh()

    def _on_typed(self, image: Image) -> None:
        """Show the pixel size that was typed for this image, here or in another dock."""
        if image is self._image():
            self._show_pixel_size(image)
            self._refresh()

    def _fill_models(self) -> None:
        self._models = {model.card.name: model for model in library.available() if model.card.task in self.TASKS}
        chosen = self._model_combo.currentData()
        with signals_blocked(self._model_combo):
            self._model_combo.clear()
            for name, model in self._models.items():
                self._model_combo.addItem(f"{name} {model.card.version}", name)
                if model.card.summary:
                    at = self._model_combo.count() - 1
                    self._model_combo.setItemData(at, model.card.summary, Qt.ItemDataRole.ToolTipRole)
            self._model_combo.setCurrentIndex(max(self._model_combo.findData(chosen), 0))
        self._on_model()

    def _on_model(self) -> None:
        self._refresh()

    def _look_for_devices(self) -> None:
        worker = create_worker(self._list_devices, _ignore_errors=True)
        worker.returned.connect(self._fill_devices)
        worker.start()

    def _fill_devices(self, devices: tuple[str, ...]) -> None:
        chosen = self._device_combo.currentData()
        with signals_blocked(self._device_combo):
            self._device_combo.clear()
            for device in devices:
                self._device_combo.addItem(DEVICE_TITLES.get(device, device), device)
            self._device_combo.setCurrentIndex(max(self._device_combo.findData(chosen), 0))

    def _refresh(self, *_: Any) -> None:
        """Enable what can be done, and say why where it cannot."""
        problem = self.value().validation_error()
        running = bool(self._running)
        self._run.setEnabled(problem is None)
        self._run.setToolTip(problem or self.HINT)
        self._cancel.setEnabled(running)
        for widget in (self._image_combo, self._model_combo, self._device_combo):
            widget.setEnabled(not running)
        self._refresh_naming()

    def _refresh_naming(self) -> None:
        """Let taxa be named, or say why they cannot be."""
        self._panel.taxa.setProblem(self.naming().validation_error())

    def _on_progress(self, progress: Progress) -> None:
        self._progress.setRange(0, progress.total)
        self._progress.setValue(progress.done)
        if any(worker.abort_requested for worker in self._running):
            return
        unit = _UNITS.get(progress.stage)
        self._say(f"{unit} {progress.done} of {progress.total}" if unit else progress.message)

    def _on_result(self, analysis: Analysis, layer: Image, plane: tuple[int, ...], started: float) -> None:
        """Plan how to show what was found; each step has a turn of the event loop, lest they add up to a stall."""
        if layer not in self._viewer.layers:
            self._say(f"{analysis.image} was closed during the run, so its result was dropped.", error=True)
            return
        path = path_of(layer) if layer.ndim == 2 else None
        try:
            # It may have been typed while the run went on.
            pixel_size = self._shared.pixel_size(layer)
        except KeyError:
            pixel_size = analysis.pixel_size_um
        facts = ResultFacts(
            image=analysis.image,
            height=analysis.height,
            width=analysis.width,
            classes=analysis.detections.classes,
            pixel_size_um=pixel_size,
            model=analysis.origin,
            plane=plane,
            orientation=turn_of(layer),
            path="" if path is None else str(path),
        )
        n, seconds = len(analysis.kept), time.monotonic() - started
        earlier = self._untouched(layer, plane)
        found = analysis.detections, analysis.measured
        result = ResultLayer.create(layer, facts, *found) if earlier is None else earlier

        def add() -> None:
            if result is earlier:
                result.renew(facts, *found)
                return
            # Known before the viewer tells of it, or it would be taken for one that was opened from a file.
            self._shared.add(result, layer, self._owner)
            self._viewer.add_layer(result.layer)

        def show() -> None:
            result.layer.visible = True
            self._viewer.layers.selection.active = result.layer
            result.layer.mode = "select"
            result.set_threshold(analysis.threshold, at_once=False)
            self._choose(result)
            self._say(f"{many(n, 'specimen')} in {seconds:.1f} s.")

        # Collecting the garbage of a large program takes a tenth of a second: not in the middle of drawing, please.
        self._steps = [gc.collect, add, partial(self._show_maps, analysis, layer, result), show]

    def _untouched(self, image: Image, plane: tuple[int, ...]) -> ResultLayer | None:
        """Return an earlier result of the same plane that the user has not worked on."""
        for result in self._shared.made_by(self._owner):
            same = self._shared.image_of(result) is image and result.facts.plane == plane
            if same and len(result.candidates) and not result.touched():
                return result
        return None

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, DiatomError):
            show_error(str(error))
        else:
            notification_manager.receive_error(type(error), error, error.__traceback__)
        self._say(" ".join(str(error).split()) or type(error).__name__, error=True)

    def _on_stopped(self) -> None:
        self._say("Cancelled; nothing was changed.")

    def _on_finished(self) -> None:
        self._steps.append(self._restore)
        self._next_step()

    def _next_step(self) -> None:
        self._steps.pop(0)()
        if self._steps:
            QTimer.singleShot(_BREATH_MS, self._next_step)

    def _restore(self) -> None:
        self._running.clear()
        self._progress.hide()
        # The viewer may have gone to another plane while this came to its end.
        self._on_plane()
        self._refresh()

    def _say(self, message: str, error: bool = False) -> None:
        self._message.setText(message)
        # Setting a style takes far longer than setting a text, even the same style again.
        style = "color: #ff6b6b;" if error else ""
        if self._message.styleSheet() != style:
            self._message.setStyleSheet(style)


class _Scrolled(QScrollArea):
    """Scrolls in height alone: two docks, one above the other, fit on a small screen."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(content)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Tell the dock when the content needs another width."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        """Return the room that all of it takes."""
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        return content.sizeHint() + QSize(bar.sizeHint().width(), 0)

    def minimumSizeHint(self) -> QSize:
        """Return the width that all of it takes, and the height of a few rows."""
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        return QSize(content.minimumSizeHint().width() + bar.sizeHint().width(), _LEAST_HEIGHT)


def _quit_all(workers: Sequence[ReportingWorker]) -> None:
    """Ask workers to stop."""
    for worker in workers:
        worker.quit()


def _leave(workers: Sequence[ReportingWorker], shared: Shared, owner: object) -> None:
    """Ask a dock's workers to stop, and leave its results to the others."""
    _quit_all(workers)
    shared.release(owner)
