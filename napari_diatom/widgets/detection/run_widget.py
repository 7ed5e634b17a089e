"""What the dock widgets that find specimens share: from the image in the viewer to counted, measured specimens."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from napari.layers import Image
from napari.qt.threading import create_worker
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.analysis import worker_process
from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.taxa import UNKNOWN
from napari_diatom.core.text import many
from napari_diatom.images.optics_presets import Presets
from napari_diatom.napari_layers.shapes_layer import ResultFacts
from napari_diatom.widgets.common.closing import delete_when_closed, when_destroyed
from napari_diatom.widgets.common.device_titles import DEVICE_TITLES
from napari_diatom.widgets.common.image_layers import choice_of, name_of, path_of, pixels_of, plane_of, turn_of
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.worker import ReportingWorker
from napari_diatom.widgets.detection.form_state import NamingForm, RunForm
from napari_diatom.widgets.detection.image_chooser import ImageChooser
from napari_diatom.widgets.detection.image_pixel_size import ImagePixelSize
from napari_diatom.widgets.detection.map_layers import MapLayers
from napari_diatom.widgets.detection.model_chooser import ModelChooser
from napari_diatom.widgets.detection.result_layer import ResultLayer
from napari_diatom.widgets.detection.results_panel import ResultsPanel
from napari_diatom.widgets.detection.run_progress import RunProgress, quit_all
from napari_diatom.widgets.detection.shown_result import ShownResult
from napari_diatom.widgets.detection.viewer_state import Shared

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_diatom.analysis.pipeline import Analysis
    from napari_diatom.core.detections import Detections
    from napari_diatom.core.taxa import Names
    from napari_diatom.models.card import Task

NameTaxa = Callable[[worker_process.Job, "Detections", ProgressMonitor], "Names"]
Analyse = Callable[[worker_process.Job, ProgressMonitor], "Analysis"]


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

    Attributes
    ----------
    shared : Shared
        What all docks of the viewer share.
    panel : ResultsPanel
        Shows the result.
    progress : RunProgress
        The run that is under way.
    shown : ShownResult
        Which result is shown.
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
        self.shared = Shared.of(napari_viewer)
        self.panel = ResultsPanel(napari_viewer)
        self.progress = RunProgress(self)
        self._images = ImageChooser(napari_viewer)
        self._models = ModelChooser(self.TASKS)
        self._devices = named(QComboBox(), "device")
        self._pixel_size = ImagePixelSize(self, napari_viewer, self.shared, self._images, self.panel, presets)
        self._run_button = named(QPushButton(self.VERB), "run")
        self.shown = ShownResult(self, napari_viewer, self.shared, self._images, self.panel, self.progress)
        self._maps = MapLayers(napari_viewer)
        self._attached = False
        self._build()
        self._fill_devices(("auto", "cpu"))
        self._connect()
        self._attach()
        self.shown.choose_newest()
        QTimer.singleShot(0, self._look_for_devices)

    def value(self) -> RunForm:
        """Return the form as it stands."""
        image, model = self._images.image(), self._models.chosen_model()
        return RunForm(
            image=None if image is None else choice_of(image, self._viewer),
            model=None if model is None else model.card.name,
            pixel_size_um=self._pixel_size.value(),
            device=self._devices.currentData() or "auto",
            running=self.progress.running,
        )

    def result(self) -> ResultLayer | None:
        """Return the result that is shown."""
        return self.panel.result()

    def choose_model(self, name: str) -> None:
        """Choose a model by its name; where it is not offered here, the choice stays and that is shown."""
        if not self._models.choose(name):
            self.progress.complain(f"The model {name} is not among those that this widget offers.")

    def choose_namer(self, folder: Path) -> None:
        """Choose the model that names taxa by its folder."""
        self.panel.taxa.choose(folder)

    def run(self) -> None:
        """Start a run with the form as it stands; what is wrong with it is shown instead."""
        form, image, model = self.value(), self._images.image(), self._models.chosen_model()
        problem = form.validation_error()
        if problem is not None or image is None or model is None:
            self.progress.complain(problem or "")
            return
        if self._pixel_size.borrowed:
            if not self._pixel_size.ask_about_borrowed(image):
                return
            form = self.value()
        plane = plane_of(image, self._viewer)
        job = worker_process.Job(
            name=name_of(image, self._viewer.layers, plane),
            pixels=pixels_of(image),
            model=model.folder,
            plane=plane,
            rgb=image.rgb,
            pixel_size_um=form.pixel_size_um,
            device=form.device,
            options=self._options(),
        )
        started = time.monotonic()
        self.progress.start(lambda analysis: self._on_result(analysis, image, plane, started), self._analyse, job)

    def cancel(self) -> None:
        """Ask the run to stop."""
        self.progress.cancel()

    def naming(self) -> NamingForm:
        """Return what matters before the specimens that are shown are named."""
        namer, result = self.panel.taxa.namer(), self.result()
        return NamingForm(
            namer=None if namer is None else namer.card.name,
            image=None if result is None else result.facts.image,
            opened=result is not None and self.shared.image_of(result) is not None,
            specimens=0 if result is None else len(result.layer.data),
            running=self.progress.running,
        )

    def name_taxa(self) -> None:
        """Name all specimens of the result that is shown; what is in the way is shown instead."""
        problem = self.naming().validation_error()
        namer, result = self.panel.taxa.namer(), self.result()
        image = None if result is None else self.shared.image_of(result)
        if problem is not None or namer is None or result is None or image is None:
            self.progress.complain(problem or "")
            return
        job = worker_process.Job(
            name=result.facts.image,
            pixels=pixels_of(image, result.facts),
            model=namer.folder,
            plane=result.facts.plane,
            rgb=image.rgb,
            device=self._devices.currentData() or "auto",
        )
        started = time.monotonic()
        numbers, found = result.to_be_named()

        def named_(names: Names) -> None:
            result.set_names(dict(zip(numbers, names.verdicts, strict=True)), names.taxa())
            unknown = sum(verdict.taxon == UNKNOWN for verdict in names.verdicts)
            self.progress.say(
                f"{len(names)} looked at in {time.monotonic() - started:.1f} s, {unknown} of them unknown."
            )

        self.progress.start(named_, self._name_taxa, job, found)

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
        form.addRow("Model", self._models)

    def _add_option_rows(self, form: QFormLayout) -> None:
        """Add what can be set beside the model; nothing here."""

    def _options(self) -> AnalysisOptions:
        """Return the options of the analysis."""
        return AnalysisOptions(measure=True)

    def _show_maps(self, analysis: Analysis, layer: Image, result: ResultLayer) -> None:
        """Show what was found beside the boxes; nothing here."""

    def _build(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Image", self._images)
        self._add_model_rows(form)
        form.addRow("Pixel size", self._pixel_size.edit)
        form.addRow(self._pixel_size.note)
        form.addRow("Device", self._devices)
        self._add_option_rows(form)
        buttons = QHBoxLayout()
        buttons.addWidget(self._run_button, 2)
        buttons.addWidget(self.progress.cancel_button, 1)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(form)
        layout.addLayout(buttons)
        layout.addWidget(self.progress.bar)
        layout.addWidget(self.progress.message)
        layout.addWidget(self.panel, 100)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Scrolled(content))

    def _connect(self) -> None:
        self._images.chosen.connect(self._on_image)
        self._images.listed.connect(self._refresh)
        self._models.chosen.connect(self._refresh)
        self._pixel_size.changed.connect(self._refresh)
        self._pixel_size.noticed.connect(self.progress.say)
        self._run_button.clicked.connect(self.run)
        self.progress.started.connect(self._refresh)
        self.progress.ended.connect(self._on_ended)
        self.shown.without_image.connect(partial(self._pixel_size.show, None))
        self.shown.unsearched.connect(self.progress.say)
        self.panel.exported.connect(self.progress.say)
        self.panel.failed.connect(self.progress.complain)
        self.panel.summarised.connect(self._refresh_naming)
        self.panel.taxa.changed.connect(self._refresh_naming)
        self.panel.taxa.asked.connect(self.name_taxa)
        delete_when_closed(self)
        # Qt may be rid of the widget before Python is; the slot must not need it.
        when_destroyed(self, _leave, self.progress.workers, self.shared, self.shown.owner)

    def _attach(self) -> None:
        """Follow the viewer."""
        self._attached = True
        self._viewer.dims.events.ndisplay.connect(self._refresh)
        self._viewer.dims.events.order.connect(self._refresh)
        self._pixel_size.attach()
        self.shown.attach()
        self._images.attach()

    def _detach(self) -> None:
        """Stop what goes on and follow the viewer no more."""
        self._attached = False
        _leave(self.progress.workers, self.shared, self.shown.owner)
        self._viewer.dims.events.ndisplay.disconnect(self._refresh)
        self._viewer.dims.events.order.disconnect(self._refresh)
        self._images.detach()
        self._pixel_size.detach()
        self.shown.detach()

    def _on_image(self) -> None:
        """Show the pixel size and the results of the image that is chosen now."""
        image = self._images.image()
        if not self.progress.running:
            self.progress.say("")
        self._pixel_size.show(image)
        self.shown.show_of(image)
        self._refresh()

    def _look_for_devices(self) -> None:
        worker = create_worker(self._list_devices, _ignore_errors=True)
        worker.returned.connect(self._fill_devices)
        worker.start()

    def _fill_devices(self, devices: tuple[str, ...]) -> None:
        chosen = self._devices.currentData()
        with signals_blocked(self._devices):
            self._devices.clear()
            for device in devices:
                self._devices.addItem(DEVICE_TITLES.get(device, device), device)
            self._devices.setCurrentIndex(max(self._devices.findData(chosen), 0))

    def _refresh(self, *_: object) -> None:
        """Enable what can be done, and say why where it cannot."""
        problem, running = self.value().validation_error(), self.progress.running
        self._run_button.setEnabled(problem is None)
        self._run_button.setToolTip(problem or self.HINT)
        self.progress.cancel_button.setEnabled(running)
        for widget in (self._images, self._models, self._devices):
            widget.setEnabled(not running)
        self._refresh_naming()

    def _refresh_naming(self) -> None:
        """Let taxa be named, or say why they cannot be."""
        self.panel.taxa.setProblem(self.naming().validation_error())

    def _on_result(self, analysis: Analysis, image: Image, plane: tuple[int, ...], started: float) -> None:
        """Plan how to show what was found."""
        if image not in self._viewer.layers:
            self.progress.complain(f"{analysis.image} was closed during the run, so its result was dropped.")
            return
        path = path_of(image) if image.ndim == 2 else None
        try:
            # It may have been typed while the run went on.
            pixel_size = self.shared.pixel_size(image)
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
            orientation=turn_of(image),
            path="" if path is None else str(path),
        )
        n, seconds = len(analysis.kept), time.monotonic() - started
        earlier = self.shown.untouched(image, plane)
        found = analysis.detections, analysis.measured
        result = ResultLayer.create(image, facts, *found) if earlier is None else earlier

        def add() -> None:
            if result is earlier:
                result.renew(facts, *found)
                return
            # Known before the viewer tells of it, or it would be taken for one that was opened from a file.
            self.shared.add(result, image, self.shown.owner)
            self._viewer.add_layer(result.layer)

        def show() -> None:
            result.layer.visible = True
            self._viewer.layers.selection.active = result.layer
            result.layer.mode = "select"
            result.set_threshold(analysis.threshold, at_once=False)
            self.shown.choose(result)
            self.progress.say(f"{many(n, 'specimen')} in {seconds:.1f} s.")

        # Collecting the garbage of a large program takes a tenth of a second: not in the middle of drawing, please.
        self.progress.show_in_steps([gc.collect, add, partial(self._show_maps, analysis, image, result), show])

    def _on_ended(self) -> None:
        # The viewer may have gone to another plane while the run came to its end.
        self.shown.show_of_plane()
        self._refresh()


def _leave(workers: Sequence[ReportingWorker], shared: Shared, owner: object) -> None:
    """Ask a dock's workers to stop, and leave its results to the others."""
    quit_all(workers)
    shared.release(owner)
