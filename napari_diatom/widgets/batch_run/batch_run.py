"""A run over several images: from the choice of images to their results on disk, in a list and in the viewer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from napari.layers import Image
from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_diatom.analysis import worker_process
from napari_diatom.core.errors import DiatomError, OutputError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.counting import batch_job
from napari_diatom.counting.batch_job import BatchJob
from napari_diatom.counting.counted_specimens import CountedSpecimens
from napari_diatom.counting.earlier_run import EarlierRun, holds_results, is_count_folder
from napari_diatom.counting.folder_export import export_specimens
from napari_diatom.counting.image_states import CountState, ImageState, RunTally
from napari_diatom.napari_layers.layer_file import layer_path
from napari_diatom.widgets.batch_run.batch_form import BatchForm, OpenImage, Scope
from napari_diatom.widgets.batch_run.batch_panel import BatchPanel
from napari_diatom.widgets.batch_run.image_opener import ImageOpener
from napari_diatom.widgets.batch_run.run_options import RunOptions
from napari_diatom.widgets.batch_run.scope_chooser import ScopeChooser
from napari_diatom.widgets.common.asking import ask
from napari_diatom.widgets.common.form_rows import show_row
from napari_diatom.widgets.common.image_layers import is_input
from napari_diatom.widgets.common.worker import ReportingWorker

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_diatom.analysis.pipeline import AnalysisOptions

_DRAIN_MS: Final = 150
_KEPT: Final = "What is counted is kept: choose the same images and the same folder of results to go on."
_GO_ON: Final = "Go on"
_START_AGAIN: Final = "Start again"
_ANSWERS: Final = ("Cancel", _GO_ON, _START_AGAIN)
"""What may become of the results of an earlier run."""
_ON_SETUP: Final = ("start", "load")
"""Stages before the first image."""


class Progressing(Protocol):
    """What shows the progress of long work, one at a time."""

    @property
    def running(self) -> bool:
        """Whether there is any."""
        ...

    def start(self, then: Callable[[Any], object], work: Callable[..., Any], *args: Any, cancelled: str = ...) -> None:
        """Do long work in a thread, and then call ``then`` with its result."""
        ...

    def say(self, message: str) -> None:
        """Show a message."""
        ...

    def complain(self, message: str) -> None:
        """Show an error."""
        ...


@dataclass(frozen=True)
class BatchModels:
    """The models of a run: folder and name of the one that finds specimens, its device, and one that outlines them."""

    folder: Path
    name: str
    device: str = "auto"
    outliner: Path | None = None


class BatchRun(QWidget):
    """Chooses several images, has them counted in another process, and shows what comes of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its images can be counted, and counted images are opened in it.
    chosen : callable
        Returns the chosen image layer.
    progress : Progressing
        Shows the progress.
    may_close : callable
        Whether nothing that a person did to an image layer is lost when it is closed.

    Attributes
    ----------
    scope : ScopeChooser
        Which images.
    options : RunOptions
        Where the results go, and what is counted.
    panel : BatchPanel
        The list of images and the table of specimens.
    opener : ImageOpener
        Opens the image of a row.
    was_last : bool
        Whether the last run was one over several images.
    """

    changed = Signal()
    """The choice of images or an option has changed."""
    listed = Signal()
    """A run over images has ended, or an earlier one is shown: what has become of its images is in the list."""

    def __init__(
        self,
        viewer: Viewer,
        chosen: Callable[[], Image | None],
        progress: Progressing,
        may_close: Callable[[Image], bool],
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._chosen = chosen
        self._progress = progress
        self.was_last = False
        self._is_counting = False
        self._news: deque[tuple[ImageState, ...]] = deque()
        self._reading: list[ReportingWorker] = []
        self.scope = ScopeChooser()
        self.options = RunOptions()
        self.panel = BatchPanel()
        self.panel.hide()
        self.opener = ImageOpener(self, viewer, may_close)
        self._drain_timer = QTimer(self)
        self._drain_timer.setInterval(_DRAIN_MS)
        self._drain_timer.timeout.connect(self._drain)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.options)
        self.scope.valueChanged.connect(self.refresh)
        self.options.changed.connect(self.refresh)
        self.options.showWanted.connect(self.show_earlier)
        self.panel.chosen.connect(self.opener.open)
        self.panel.exportWanted.connect(self.export)
        self.panel.failed.connect(progress.complain)
        self.opener.failed.connect(progress.complain)
        self.refresh()

    @property
    def several(self) -> bool:
        """Whether a run takes more than the image on the screen."""
        return self.scope.value() is not Scope.IMAGE

    def results_folder(self) -> Path | None:
        """Return the folder of the results that are shown, None while there are none that can be sent."""
        out = None if self.opener.batch is None else self.opener.batch.out
        return out if out is not None and is_count_folder(out) else None

    def value(self, model: str | None = None) -> BatchForm:
        """Return the form, with the name of the model that is chosen elsewhere."""
        image = self._chosen()
        return BatchForm(
            scope=self.scope.value(),
            chosen=None if image is None else OpenImage(image.name, layer_path(image)),
            opened=tuple(OpenImage(layer.name, layer_path(layer)) for layer in self._viewer.layers if is_input(layer)),
            folder=self.scope.folder.value(),
            out=self.options.out.value(),
            model=model,
            running=self._progress.running,
        )

    def validation_error(self, model: str | None) -> str | None:
        """Return why a run cannot start, in one line, or None if it can."""
        problem = self.value(model).validation_error()
        if problem is not None:
            return problem
        wrong = self.options.choices.errors()
        return next(iter(wrong.values()), None)

    def start(self, models: BatchModels, options: AnalysisOptions) -> None:
        """Start a run, or show why it cannot start. Ask what to do with the results of an earlier run."""
        form = self.value(models.name)
        problem = self.validation_error(models.name)
        out = form.results()
        if problem is not None or out is None:
            self._progress.complain(problem or "")
            return
        resume = overwrite = False
        if holds_results(out):
            answer = _ANSWERS[self._ask_about(out)]
            if answer == _ANSWERS[0]:
                return
            resume, overwrite = answer == _GO_ON, answer == _START_AGAIN
        options = replace(options, measure=False, keep_probability=False)
        batch = self.options.choices.value().batch(tuple(map(str, form.inputs)), out, options)
        job = BatchJob(
            batch=replace(batch, resume=resume, overwrite=overwrite),
            model=models.folder,
            device=models.device,
            namer=self.options.namer(),
            outliner=models.outliner,
        )
        self._news.clear()
        self.was_last = self._is_counting = True
        self.opener.setBatch(job.batch)
        self.panel.begin(out)
        self.panel.take(form.without_file())
        self.panel.show()
        self._drain_timer.start()
        self._progress.start(partial(self._on_done, out), _count, job, self._news.append, cancelled=_cancelled(out))

    def show_earlier(self) -> None:
        """Show the results of the finished run in the folder of results."""
        out = self.value().results()
        if out is None:
            return
        try:
            run = EarlierRun.read(out)
            batch, states = run.batch(), run.states()
        except DiatomError as error:
            self._progress.complain(str(error))
            return
        self.was_last = True
        self.opener.setBatch(batch)
        self.panel.begin(out, states)
        self.panel.show()
        self._show_folder(out)
        self._read_table(out)
        self.listed.emit()

    def export(self, path: Path) -> None:
        """Export all specimens to a file, in a thread."""
        batch = self.opener.batch
        if batch is None or self._progress.running:
            return
        self._progress.start(
            lambda number: self._progress.say(f"{many(number, 'specimen')} written to {path.name}."),
            _export,
            batch.out,
            path,
        )

    def arrange(self, form: QFormLayout, image: QWidget, pixel_size: QWidget, note: QWidget) -> None:
        """Hide the rows of a form that are about one image, where a run takes several."""
        scope = self.scope.value()
        show_row(form, image, scope in (Scope.IMAGE, Scope.FIELDS))
        show_row(form, pixel_size, not self.several)
        if self.several:
            note.hide()

    def refresh(self) -> None:
        """Show the parts that the scope needs, and what the folder of results holds."""
        self.setVisible(self.several)
        if self.several:
            form = self.value()
            self.options.out.setDefault(form.default_out())
            self._show_folder(form.results())
        self.changed.emit()

    def end(self) -> None:
        """Show the last news of a run that is over, however it ended."""
        self._drain_timer.stop()
        self._drain()
        self._show_folder(self.value().results())
        was_counting, self._is_counting = self._is_counting, False
        # Of a run that found no image, what to look at is the form.
        if was_counting and self.panel.images.images.states():
            self.listed.emit()

    def stop(self) -> None:
        """Stop reading images and tables."""
        self._drain_timer.stop()
        self.opener.stop()
        for worker in self._reading:
            worker.quit()

    def _show_folder(self, out: Path | None) -> None:
        """Say what the folder of results holds, unless its images are listed below."""
        batch = self.opener.batch
        self.options.showFolder(out, shown=batch is not None and batch.out == out and not self._progress.running)

    def _ask_about(self, out: Path) -> int:
        """Ask what to do with results that are there; return which of the answers is given."""
        return ask(
            self.window(),
            "Results of an earlier run",
            f"{out} holds results of an earlier run.\n\n"
            "If you go on, images that are counted already are kept, and results of images that are not part of this "
            "run are removed. If you start again, all results in this folder are removed.",
            *_ANSWERS,
        )

    def _drain(self) -> None:
        """Show what has become of images since the last time."""
        latest: dict[str, ImageState] = {}
        while self._news:
            latest |= {state.image: state for state in self._news.popleft()}
        if latest:
            self.panel.take(latest.values())

    def _on_done(self, out: Path, _: object) -> None:
        """Show the table of a finished run."""
        self._drain()
        states = self.panel.images.images.states()
        skipped = sum(state.state is CountState.SKIPPED for state in states)
        done = f"{many(len(states) - skipped, 'image')} searched"
        left_out = f", {skipped:,} skipped: the reason is in the list" if skipped else ""
        self._progress.say(f"{done}{left_out}. The results are in {out}")
        self._read_table(out)

    def _read_table(self, out: Path) -> None:
        """Look through the table of specimens in a thread."""
        worker = create_worker(_table, out, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.returned.connect(self.panel.setSpecimens)
        worker.errored.connect(lambda error: self._progress.complain(" ".join(str(error).split())))
        worker.finished.connect(lambda: self._reading.remove(worker))
        self._reading.append(worker)
        worker.start()


def _count(job: BatchJob, take: Callable[[tuple[ImageState, ...]], object], monitor: ProgressMonitor) -> None:
    """Have a batch counted in a process of its own, and report images and the time that is left."""
    tally = RunTally()

    def tell(states: tuple[ImageState, ...]) -> None:
        take(states)
        tally.take(states)
        monitor.report(Progress("images", tally.done, tally.total, tally.text()))

    def report(progress: Progress) -> None:
        if progress.stage in _ON_SETUP:
            monitor.report(progress)

    try:
        worker_process.call(batch_job.RUN, job, ProgressMonitor(report, monitor.should_stop), tell)
    except OutputError as error:
        if not holds_results(job.batch.out):
            raise
        raise OutputError(f"{error} {_KEPT}") from error


def _table(out: Path, monitor: ProgressMonitor) -> CountedSpecimens:
    """Open the table of a folder of results."""
    return CountedSpecimens.of(out, monitor)


def _export(out: Path, path: Path, monitor: ProgressMonitor) -> int:
    """Export all specimens of a folder of results."""
    return export_specimens(out, path, monitor)


def _cancelled(out: Path) -> str:
    """Return what is said when the run is cancelled."""
    return f"Cancelled. {_KEPT} They are in {out}"
