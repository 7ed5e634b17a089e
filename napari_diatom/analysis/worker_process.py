"""Analysis, naming and outlining in a child process, under the same contract as in this one.

Loading a network's libraries holds Python's global lock for half a second and more, which a window next to it feels
as a freeze. In a child process it feels nothing, a cancelled run is over for certain, and memory comes back. The
child stays warm between runs, so a model is loaded once; it ends when this process does.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_diatom.analysis.process_handover import fetched_maps, read_message, write_message
from napari_diatom.core import errors
from napari_diatom.core.errors import DiatomError, InputError, OutputError, Stopped
from napari_diatom.core.processes import run, start
from napari_diatom.core.progress import Progress, ProgressMonitor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_diatom.analysis.click_outlining import ClickedSpecimen
    from napari_diatom.analysis.pipeline import Analysis, AnalysisOptions
    from napari_diatom.core.detections import Detections
    from napari_diatom.core.taxa import Names
    from napari_diatom.measurement.outline_refinement import BoxOutlines

_BAND_BYTES: Final = 1 << 24
_POLL_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 0.5


@dataclass(frozen=True, eq=False)
class Job:
    """What to look at, and how.

    Attributes
    ----------
    name : str
        Name of the image.
    pixels : array-like, shape (..., Y, X) or (..., Y, X, C)
        A numpy, dask or zarr array; read a band of rows at a time.
    plane : tuple of int
        Position on the axes before Y and X.
    rgb : bool
        Whether the last axis holds colours.
    pixel_size_um : float or None
        Micrometres per pixel.
    model : Path
        The model's folder.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    options : AnalysisOptions, optional
        Of the analysis; its pixel size counts where the job has none.
    outliner : Path, optional
        Folder of a model that outlines what the other finds as boxes.
    """

    name: str
    pixels: Any
    model: Path
    plane: tuple[int, ...] = ()
    rgb: bool = False
    pixel_size_um: float | None = None
    device: str = "auto"
    options: AnalysisOptions | None = None
    outliner: Path | None = None


@dataclass(frozen=True)
class WorkerRequest:
    """A job as the child sees it: its pixels in a file."""

    name: str
    file: Path
    rgb: bool
    pixel_size_um: float | None
    model: Path
    device: str
    options: AnalysisOptions | None
    outliner: Path | None
    specimens: Detections | None
    to_outline: OutlineOrder | None


@dataclass(frozen=True, eq=False)
class OutlineOrder:
    """What a request asks to be outlined, and by which model: specimens in boxes, or the one at a point."""

    outliner: Path
    boxes: NDArray[np.float64] | None = None
    point: tuple[float, float] | None = None


@dataclass(frozen=True)
class CallRequest:
    """A function for the child to call, as ``module:function``, and its argument.

    The function is called as ``function(argument, networks, monitor, tell)``, with the
    :class:`~napari_diatom.analysis.worker_serving.LoadedNetworks` of the child.
    """

    target: str
    argument: Any


def call(target: str, argument: Any, monitor: ProgressMonitor, tell: Callable[[Any], None]) -> Any:
    """Have a child process of its own call a function, and return what it returns.

    The warm child stays free for others meanwhile: this is for work of minutes and hours.

    Parameters
    ----------
    target, argument : str, object
        See :class:`CallRequest`.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.
    tell : callable
        Gets, in this thread, what the function tells; nothing of it is lost.

    Raises
    ------
    Stopped
        Within a second of ``monitor.should_stop()`` becoming true.
    DiatomError
        What the function raised, or that the child died, with its last words.
    """
    child = _Child()
    try:
        child.send(CallRequest(target, argument))
        return child.answer(monitor, tell)
    finally:
        child.kill()


def call_warm(target: str, argument: Any, monitor: ProgressMonitor) -> Any:
    """Have the warm child process call a function, and return what it returns; for work of seconds.

    Its networks stay loaded for the next call. What the function tells is not passed on.

    Parameters
    ----------
    target, argument : str, object
        See :class:`CallRequest`.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    Stopped
        Within two seconds of ``monitor.should_stop()`` becoming true.
    DiatomError
        What the function raised, or that the child died, with its last words.
    """
    with _keeper.child() as child:
        child.send(CallRequest(target, argument))
        return child.answer(monitor)


def analyse(job: Job, monitor: ProgressMonitor) -> Analysis:
    """Run :func:`napari_diatom.analysis.pipeline.analyse` in the child process.

    Raises
    ------
    Stopped
        Within two seconds of ``monitor.should_stop()`` becoming true.
    DiatomError
        What the analysis raised, or that the child died, with its last words.
    """
    with _asked(job, None, monitor) as (analysis, folder):
        return fetched_maps(analysis, folder)


def name(job: Job, specimens: Detections, monitor: ProgressMonitor) -> Names:
    """Have the model of a job, one for classes, name specimens of its image in the child process.

    Raises
    ------
    Stopped
        Within two seconds of ``monitor.should_stop()`` becoming true.
    DiatomError
        What the classifier raised, or that the child died, with its last words.
    """
    with _asked(job, specimens, monitor) as (answer, _):
        names: Names = answer
        return names


def outline_boxes(job: Job, boxes: NDArray[np.float64], monitor: ProgressMonitor) -> BoxOutlines:
    """Have the model of a job, one for outlines, outline what is in boxes, shape (N, 5); raises as :func:`analyse`."""
    with _asked(job, None, monitor, OutlineOrder(job.model, boxes=boxes)) as (answer, _):
        outlines: BoxOutlines = answer
        return outlines


def outline_point(job: Job, x: float, y: float, outliner: Path, monitor: ProgressMonitor) -> ClickedSpecimen | None:
    """Run :func:`napari_diatom.analysis.click_outlining.specimen_at` in the child; raises as :func:`analyse`.

    Both networks, that of the job, which detects, and the ``outliner`` in its folder, stay loaded.
    """
    with _asked(job, None, monitor, OutlineOrder(outliner, point=(x, y))) as (answer, _):
        found: ClickedSpecimen | None = answer
        return found


@contextlib.contextmanager
def _asked(
    job: Job, specimens: Detections | None, monitor: ProgressMonitor, to_outline: OutlineOrder | None = None
) -> Iterator[tuple[Any, Path]]:
    """Have the child do a job; lend its answer, and the folder where it left what is too large for a pipe."""
    monitor.report(Progress("start", message="Reading the image"))
    with _spooled(job, monitor) as file, _keeper.child() as child:
        given = job.name, file, job.rgb, job.pixel_size_um, job.model, job.device, job.options
        child.send(WorkerRequest(*given, job.outliner, specimens, to_outline))
        yield child.answer(monitor), file.parent


def devices() -> tuple[str, ...]:
    """Return the devices that a network can run on here, found out in a process that ends at once."""
    try:
        done = run("napari_diatom.analysis.worker_process:print_devices", timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return ("auto", "cpu")
    return ("auto", "cpu", *(done.stdout.split() if done.returncode == 0 else ()))


def print_devices() -> None:
    """Print the accelerators that there are; loading torch, and its drivers, is what :func:`devices` leaves to it."""
    import torch

    print("cuda" if torch.cuda.is_available() else "", "mps" if torch.backends.mps.is_available() else "")


def close() -> None:
    """End the warm child, if there is one."""
    _keeper.close()


class _Child:
    """A running child process as its parent sees it."""

    def __init__(self) -> None:
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = start(
            "napari_diatom.analysis.worker_serving:main",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
        )
        self._inbox: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True, name="napari-diatom child").start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def send(self, message: WorkerRequest | CallRequest | None) -> None:
        """Send a request, or None to stop the present one."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            write_message(self._process.stdin, message)

    def answer(self, monitor: ProgressMonitor, tell: Callable[[Any], None] = lambda news: None) -> Any:
        """Pass reports and news on until the result is there."""
        deadline: float | None = None
        while True:
            if deadline is None and monitor.should_stop():
                self.send(None)
                deadline = time.monotonic() + _GRACE_SECONDS
            if deadline is not None and time.monotonic() > deadline:
                self.kill()
                raise Stopped("Stopped as asked.")
            try:
                message = self._inbox.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if message is None:
                raise DiatomError(f"The analysis ended unexpectedly: {self._last_words()}")
            kind, content = message
            if kind == "report":
                monitor.report(content)
            elif kind == "news":
                tell(content)
            elif kind == "failed":
                name, text = content
                raise getattr(errors, name, DiatomError)(text)
            else:
                monitor.check()
                return content

    def kill(self) -> None:
        """End the process at once and wait for it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._words):
            with contextlib.suppress(OSError):
                assert stream is not None
                stream.close()

    def _listen(self) -> None:
        """Queue what the child says, and None when it falls silent."""
        assert self._process.stdout is not None
        with contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                self._inbox.put(read_message(self._process.stdout))
        self._inbox.put(None)

    def _last_words(self) -> str:
        """Return the last line that the child wrote to stderr."""
        self._process.wait()
        self._words.seek(0)
        lines = self._words.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}."


class _Keeper:
    """Keeps one child warm; jobs wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warm: _Child | None = None

    @contextlib.contextmanager
    def child(self) -> Iterator[_Child]:
        """Lend the child, a fresh one where there is none; one that did not come back clean is ended."""
        with self._lock:
            child = self._warm if self._warm is not None and self._warm.alive else _Child()
            self._warm = None
            try:
                yield child
            except (InputError, errors.ModelError):
                self._warm = child
                raise
            except BaseException:
                child.kill()
                raise
            self._warm = child

    def close(self) -> None:
        """End the child."""
        with self._lock:
            if self._warm is not None:
                self._warm.kill()
                self._warm = None


_keeper: Final = _Keeper()


@contextlib.contextmanager
def _spooled(job: Job, monitor: ProgressMonitor) -> Iterator[Path]:
    """Write the job's pixels to a temporary file, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="napari-diatom-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "pixels.npy"
        shape = tuple(job.pixels.shape)[len(job.plane) :]
        dtype = np.dtype(job.pixels.dtype)
        rows = max(1, _BAND_BYTES // max(int(np.prod(shape[1:])) * dtype.itemsize, 1))
        try:
            with file.open("wb") as stream:
                header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_2_0(stream, header)
                for y in range(0, shape[0], rows):
                    monitor.check()
                    band = np.ascontiguousarray(job.pixels[(*job.plane, slice(y, y + rows))], dtype=dtype)
                    stream.write(band.data)
        except OSError as error:
            raise OutputError(f"{job.name} cannot be written to the temporary folder {folder}: {error}") from error
        yield file
