"""The common part of the dock widgets that find specimens: from an image to counted, measured specimens."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from napari.layers import Image
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_diatom.analysis import worker_process
from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.taxa import UNKNOWN
from napari_diatom.core.text import many
from napari_diatom.images.optics_presets import Presets
from napari_diatom.widgets.batch_run.batch_run import BatchModels, BatchRun
from napari_diatom.widgets.common.closing import attach_while_docked, delete_when_closed, when_destroyed
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.image_layers import choice_of, layer_image_name, layer_pixels, plane_of
from napari_diatom.widgets.common.models_button import with_models_button
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.worker import ReportingWorker
from napari_diatom.widgets.detection.counted_results import CountedResults
from napari_diatom.widgets.detection.device_chooser import DeviceChooser
from napari_diatom.widgets.detection.form_state import NamingForm, RunForm
from napari_diatom.widgets.detection.image_chooser import ImageChooser
from napari_diatom.widgets.detection.image_pixel_size import ImagePixelSize
from napari_diatom.widgets.detection.map_layers import MapLayers
from napari_diatom.widgets.detection.model_chooser import ModelChooser
from napari_diatom.widgets.detection.outline_row import outline_remark
from napari_diatom.widgets.detection.result_layer import ResultLayer
from napari_diatom.widgets.detection.results_panel import ResultsPanel
from napari_diatom.widgets.detection.run_keys import run_keys
from napari_diatom.widgets.detection.run_progress import RunProgress, quit_all
from napari_diatom.widgets.detection.shown_result import ShownResult
from napari_diatom.widgets.detection.specimen_layer import facts_of
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
        Finds specimens, in a thread; by default :func:`napari_diatom.analysis.worker_process.analyse`.
    list_devices : callable, optional
        Lists the devices, in a thread; by default :func:`napari_diatom.analysis.worker_process.devices`.
    presets : Presets, optional
        The optics to choose from, by default the user's own.
    name_taxa : callable, optional
        Names specimens, in a thread; by default :func:`napari_diatom.analysis.worker_process.name`.

    Attributes
    ----------
    shared : Shared
        The results and pixel sizes of the viewer, for all its docks.
    panel : ResultsPanel
        Shows the result.
    progress : RunProgress
        The run in progress.
    shown : ShownResult
        Chooses the shown result.
    batch : BatchRun
        Runs over several images.
    """

    TASKS: ClassVar[tuple[Task, ...]] = ()
    """The tasks of the offered models."""
    TAB: ClassVar[str] = "Run"
    """The title of its tab."""
    VERB: ClassVar[str] = "Run"
    """The label of the button."""
    HINT: ClassVar[str] = "Find the diatoms in this image"
    """The tooltip of the button while a run can start."""

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
        self.shared = Shared.of(napari_viewer)
        self.panel = ResultsPanel(napari_viewer)
        self.progress = RunProgress(self)
        self._images = ImageChooser(napari_viewer)
        self._models = ModelChooser(self.TASKS)
        self._devices = DeviceChooser(list_devices or worker_process.devices)
        self._pixel_size = ImagePixelSize(self, napari_viewer, self.shared, self._images, self.panel, presets)
        self._run_button = named(QPushButton(self.VERB), "run")
        self.shown = ShownResult(self, napari_viewer, self.shared, self._images, self.panel, self.progress)
        self._maps = MapLayers(napari_viewer)
        self._counted = CountedResults(napari_viewer, self.shared, self.shown, self.panel)
        self.batch = BatchRun(napari_viewer, self._images.image, self.progress, self._counted.may_close)
        self._first_step = text_label("first_step")
        self._build()
        self._connect()
        attach_while_docked(self, self._attach, self._detach)
        self.shown.choose_newest()

    def value(self) -> RunForm:
        """Return the form."""
        image, model = self._images.image(), self._models.chosen_model()
        return RunForm(
            image=None if image is None else choice_of(image, self._viewer),
            model=None if model is None else model.card.name,
            pixel_size_um=self._pixel_size.value(),
            device=self._devices.device(),
            running=self.progress.running,
        )

    def result(self) -> ResultLayer | None:
        """Return the shown result."""
        return self.panel.result()

    def choose_model(self, name: str) -> None:
        """Choose a model by its name. If the widget does not offer it, keep the choice and show an error."""
        if not self._models.choose(name):
            self.progress.complain(f"This widget does not offer the model {name}.")

    def choose_classifier(self, folder: Path) -> None:
        """Choose the classifier by its folder."""
        self.panel.taxa.choose(folder)

    def run(self) -> None:
        """Start a run, or show why it cannot start."""
        form, image, model = self.value(), self._images.image(), self._models.chosen_model()
        if self.batch.several and model is not None:
            models = BatchModels(model.folder, model.card.name, form.device, self._outliner())
            self.batch.start(models, self._options())
            return
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
            name=layer_image_name(image, self._viewer.layers, plane),
            pixels=layer_pixels(image),
            model=model.folder,
            plane=plane,
            rgb=image.rgb,
            pixel_size_um=form.pixel_size_um,
            device=form.device,
            options=self._options(),
            outliner=self._outliner(),
        )
        started = time.monotonic()
        self.batch.was_last = False
        self.progress.start(lambda analysis: self._on_result(analysis, image, plane, started), self._analyse, job)

    def cancel(self) -> None:
        """Ask the run to stop."""
        self.progress.cancel()

    def naming(self) -> NamingForm:
        """Return the form that names the shown specimens."""
        classifier, result = self.panel.taxa.classifier(), self.result()
        return NamingForm(
            classifier=None if classifier is None else classifier.card.name,
            image=None if result is None else result.facts.image,
            opened=result is not None and self.shared.image_of(result) is not None,
            specimens=0 if result is None else len(result.layer.data),
            running=self.progress.running,
        )

    def name_taxa(self) -> None:
        """Name all specimens of the shown result, or show why they cannot be named."""
        problem = self.naming().validation_error()
        classifier, result = self.panel.taxa.classifier(), self.result()
        image = None if result is None else self.shared.image_of(result)
        if problem is not None or classifier is None or result is None or image is None:
            self.progress.complain(problem or "")
            return
        job = worker_process.Job(
            name=result.facts.image,
            pixels=layer_pixels(image, result.facts),
            model=classifier.folder,
            plane=result.facts.plane,
            rgb=image.rgb,
            device=self._devices.device(),
        )
        started = time.monotonic()
        numbers, found = result.to_be_named()

        def show(names: Names) -> None:
            result.set_names(dict(zip(numbers, names.verdicts, strict=True)), names.taxa())
            unknown = sum(verdict.taxon == UNKNOWN for verdict in names.verdicts)
            seconds = time.monotonic() - started
            self.progress.say(f"{many(len(names), 'specimen')} classified in {seconds:.1f} s, {unknown:,} unknown.")

        self.progress.start(show, self._name_taxa, job, found)

    def _add_model_rows(self, form: QFormLayout) -> None:
        """Add the choice of the model."""
        form.addRow("Model", with_models_button(self._models, self._viewer))

    def _add_option_rows(self, form: QFormLayout) -> None:
        """Add further options. There are none here."""

    def _options(self) -> AnalysisOptions:
        """Return the options of the analysis."""
        return AnalysisOptions(measure=True)

    def _outliner(self) -> Path | None:
        """Return the folder of a model that outlines what is found as boxes. There is none here."""
        return None

    def _show_maps(self, analysis: Analysis, layer: Image, result: ResultLayer) -> None:
        """Show maps beside the boxes. There are none here."""

    def _build(self) -> None:
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Search in", self.batch.scope)
        form.addRow("Image", self._images)
        self._add_model_rows(form)
        form.addRow("Pixel size", self._pixel_size.edit)
        form.addRow(self._pixel_size.note)
        form.addRow("Device", self._devices)
        self._add_option_rows(form)
        self._form = form
        buttons = QHBoxLayout()
        buttons.addWidget(self._run_button, 2)
        buttons.addWidget(self.progress.cancel_button, 1)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(form)
        layout.addWidget(self.batch)
        layout.addLayout(buttons)
        layout.addWidget(self._first_step)
        layout.addWidget(self.progress.bar)
        layout.addWidget(self.progress.message)
        layout.addWidget(self.batch.panel, 50)
        layout.addWidget(self.panel, 100)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled := Scrolled(content))
        self.batch.listed.connect(self._refresh)
        # What is done next is done with the list and below it: it is seen without scrolling.
        self.batch.listed.connect(partial(scrolled.bring_up, self.progress.message))

    def _connect(self) -> None:
        self._images.chosen.connect(self._on_image)
        self._images.listed.connect(self.batch.refresh)
        self._counted.follow(self.batch.opener)
        for signal in (self._images.listed, self._models.chosen, self._pixel_size.changed, self.batch.changed):
            signal.connect(self._refresh)
        self._pixel_size.noticed.connect(self.progress.say)
        self._run_button.clicked.connect(self.run)
        self.progress.started.connect(self._refresh)
        self.progress.ended.connect(self._on_ended)
        self.shown.without_image.connect(partial(self._pixel_size.show, None))
        self.shown.unsearched.connect(self.progress.say)
        for speaker, said in ((self.panel, self.panel.exported), (self.panel.send, self.panel.send.said)):
            said.connect(self.progress.say)
            speaker.failed.connect(self.progress.complain)
        self.panel.send.running.connect(self._refresh)
        self.progress.cancel_button.clicked.connect(self.panel.send.stop)
        self.panel.summarised.connect(self._refresh_naming)
        self.panel.taxa.changed.connect(self._refresh_naming)
        self.panel.taxa.asked.connect(self.name_taxa)
        run_keys(self, self._viewer)
        share_area(self, self.TAB)
        delete_when_closed(self)
        # Qt may delete the widget before Python does, so the slot must not need it.
        when_destroyed(self, _leave, self.progress.workers, self.shared, self.shown.owner)

    def _attach(self) -> None:
        """Follow the viewer."""
        self._viewer.dims.events.ndisplay.connect(self._refresh)
        self._viewer.dims.events.order.connect(self._refresh)
        self._pixel_size.attach()
        self.shown.attach()
        self._images.attach()

    def _detach(self) -> None:
        """Stop the run, and stop following the viewer."""
        _leave(self.progress.workers, self.shared, self.shown.owner)
        self.batch.stop()
        self._viewer.dims.events.ndisplay.disconnect(self._refresh)
        self._viewer.dims.events.order.disconnect(self._refresh)
        self._images.detach()
        self._pixel_size.detach()
        self.shown.detach()

    def _on_image(self) -> None:
        """Show the pixel size and the results of the chosen image."""
        image = self._images.image()
        if not self.progress.running:
            self.progress.say("")
        self._pixel_size.show(image)
        self.shown.show_of(image)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        """Enable the buttons, or show in their tooltips why they are disabled."""
        form, running = self.value(), self.progress.running
        self.batch.arrange(self._form, self._images, self._pixel_size.edit, self._pixel_size.note)
        problem = self.batch.validation_error(form.model) if self.batch.several else form.validation_error()
        self._run_button.setEnabled(problem is None)
        self._run_button.setToolTip(problem or self.HINT)
        self._first_step.setVisible(not running and self.result() is None and self.batch.panel.isHidden())
        self._first_step.setText(problem or f"Press {self.VERB}. For sizes in µm, enter the pixel size first.")
        self.progress.cancel_button.setEnabled(running or self.panel.send.is_running)
        for widget in (self._images, self._models, self._devices, self.batch.scope, self.batch):
            widget.setEnabled(not running)
        self.panel.send.setFolder(self.batch.results_folder(), self.batch.was_last)
        self._refresh_naming()

    def _refresh_naming(self) -> None:
        """Enable the naming of taxa, or show why it is disabled."""
        self.panel.taxa.setProblem(self.naming().validation_error())

    def _on_result(self, analysis: Analysis, image: Image, plane: tuple[int, ...], started: float) -> None:
        """Plan the steps that show the result."""
        if image not in self._viewer.layers:
            self.progress.complain(f"{analysis.image} was closed during the run. Its result is discarded.")
            return
        # The user may have typed it during the run.
        facts = facts_of(analysis, image, plane, self.shared.typed_or(image, analysis.pixel_size_um))
        n, seconds = len(analysis.kept), time.monotonic() - started
        earlier = self.shown.untouched(image, plane)
        found = analysis.detections, analysis.measured
        result = ResultLayer.create(image, facts, *found) if earlier is None else earlier

        def add() -> None:
            if result is earlier:
                result.renew(facts, *found)
                return
            # It is added first, because the viewer would take an unknown layer for an opened file.
            self.shared.add(result, image, self.shown.owner)
            self._viewer.add_layer(result.layer)

        def show() -> None:
            result.layer.visible = True
            self._viewer.layers.selection.active = result.layer
            result.layer.mode = "select"
            result.set_threshold(analysis.threshold, at_once=False)
            self.shown.choose(result)
            self.progress.say(f"{many(n, 'specimen')} in {seconds:.1f} s.{outline_remark(analysis.kept)}")

        # Garbage collection in a large program takes a tenth of a second, too long for the middle of drawing.
        self.progress.show_in_steps([gc.collect, add, partial(self._show_maps, analysis, image, result), show])

    def _on_ended(self) -> None:
        self.batch.end()
        # The viewer may show another plane by now.
        self.shown.show_of_plane()
        self._refresh()


def _leave(workers: Sequence[ReportingWorker], shared: Shared, owner: object) -> None:
    """Ask the workers of a dock to stop, and leave its results to the other docks."""
    quit_all(workers)
    shared.release(owner)
