"""The child of :mod:`napari_diatom.analysis.worker_process`: does what it is asked for, with networks kept warm."""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_diatom.analysis.process_handover import leave_maps, read_message, write_message
from napari_diatom.analysis.worker_process import CallRequest, WorkerRequest
from napari_diatom.core import errors
from napari_diatom.core.errors import DiatomError, ModelError
from napari_diatom.core.progress import Progress, ProgressMonitor

if TYPE_CHECKING:
    from napari_diatom.analysis.click_outlining import ClickedSpecimen
    from napari_diatom.analysis.pipeline import Analysis
    from napari_diatom.core.taxa import Names
    from napari_diatom.engines.protocols import AnyEngine, Classifier, Embedder, Outliner
    from napari_diatom.images.slide_image import SlideImage
    from napari_diatom.measurement.outline_refinement import BoxOutlines
    from napari_diatom.models.library import ModelFolder

_Network = TypeVar("_Network")


def main() -> None:
    """Serve requests until stdin ends."""
    # Libraries print; what they print must not land between the messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        # The window comes first on a machine with few cores.
        os.nice(5)
    requests: queue.SimpleQueue[WorkerRequest | CallRequest] = queue.SimpleQueue()
    stop = threading.Event()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = read_message(sys.stdin.buffer)
                if message is None:
                    stop.set()
                else:
                    stop.clear()
                    requests.put(message)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    kept = LoadedNetworks()
    monitor = ProgressMonitor(lambda progress: write_message(out, ("report", progress)), stop.is_set)
    while True:
        request = requests.get()
        result: Any
        try:
            if isinstance(request, CallRequest):
                module, _, function = request.target.partition(":")
                asked = getattr(importlib.import_module(module), function)
                result = asked(request.argument, kept, monitor, lambda news: write_message(out, ("news", news)))
            else:
                result = _serve(request, kept, monitor)
        except DiatomError as error:
            known = next(kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__))
            write_message(out, ("failed", (known, str(error))))
        except Exception as error:
            traceback.print_exc()
            write_message(out, ("failed", ("DiatomError", f"{type(error).__name__}: {' '.join(str(error).split())}")))
        else:
            write_message(out, ("done", result))


@dataclass(frozen=True)
class LoadedNetworks:
    """The last network of each kind, by folder and device."""

    engines: dict[tuple[Path, str], AnyEngine] = field(default_factory=dict)
    classifiers: dict[tuple[Path, str], Classifier] = field(default_factory=dict)
    outliners: dict[tuple[Path, str], Outliner] = field(default_factory=dict)
    embedders: dict[tuple[Path, str], Embedder] = field(default_factory=dict)

    def engine(self, model: Path, device: str, monitor: ProgressMonitor) -> AnyEngine:
        """Return the network of a model that finds specimens; raises ModelError when it cannot be loaded."""
        from napari_diatom.engines import load

        return _loaded(model, device, self.engines, load, monitor)

    def classifier(self, model: Path, device: str, monitor: ProgressMonitor) -> Classifier:
        """Return the network of a model that names specimens; raises ModelError when it cannot be loaded."""
        from napari_diatom.engines import load_classifier

        return _loaded(model, device, self.classifiers, load_classifier, monitor)

    def outliner(self, model: Path, device: str, monitor: ProgressMonitor) -> Outliner:
        """Return the network of a model that outlines specimens; raises ModelError when it cannot be loaded."""
        from napari_diatom.engines import load_outliner

        return _loaded(model, device, self.outliners, load_outliner, monitor)

    def embedder(self, model: Path, device: str, monitor: ProgressMonitor) -> Embedder:
        """Return the network of a model that compares specimens; raises ModelError when it cannot be loaded."""
        from napari_diatom.engines import load_embedder

        return _loaded(model, device, self.embedders, load_embedder, monitor)


def _serve(
    request: WorkerRequest, kept: LoadedNetworks, monitor: ProgressMonitor
) -> Analysis | Names | BoxOutlines | ClickedSpecimen | None:
    """Do what a request asks for; the last network of each kind is kept for the next request."""
    from napari_diatom.analysis.click_outlining import specimen_at
    from napari_diatom.analysis.pipeline import AnalysisOptions
    from napari_diatom.analysis.pipeline import analyse as analyse_here
    from napari_diatom.engines.protocols import MapEngine

    if request.specimens is not None:
        namer = kept.classifier(request.model, request.device, monitor)
        monitor.check()
        return namer.name(_opened(request), request.specimens, monitor)
    asked = request.to_outline
    folder = request.outliner if asked is None else asked.outliner
    outliner = None if folder is None else kept.outliner(folder, request.device, monitor)
    monitor.check()
    if asked is not None and outliner is not None and asked.boxes is not None:
        return outliner.outlines(_opened(request), asked.boxes, monitor)
    engine = kept.engine(request.model, request.device, monitor)
    monitor.check()
    if asked is not None and outliner is not None and asked.point is not None:
        if isinstance(engine, MapEngine):
            raise ModelError(f"Model {engine.card.name} gives no boxes: choose another one for clicks on valves.")
        return specimen_at(_opened(request), *asked.point, engine, outliner, monitor)
    options = request.options or AnalysisOptions()
    if request.pixel_size_um is not None:
        options = replace(options, pixel_size_um=request.pixel_size_um)
    return leave_maps(analyse_here(_opened(request), engine, options, monitor, outliner), request.file.parent)


def _opened(request: WorkerRequest) -> SlideImage:
    """Return the image of a request."""
    from napari_diatom.images.slide_image import from_array

    pixels = np.load(request.file, mmap_mode="r")
    return from_array(pixels, request.name, pixel_size_um=request.pixel_size_um, rgb=request.rgb)


def _loaded(
    model: Path,
    device: str,
    kept: dict[tuple[Path, str], _Network],
    load: Callable[[ModelFolder, str], _Network],
    monitor: ProgressMonitor,
) -> _Network:
    """Return the network of a model, the one that is kept or another, which is then kept in its place."""
    from napari_diatom.models import library

    key = (model, device)
    if key not in kept:
        monitor.report(Progress("load", message="Loading the model"))
        kept.clear()
        kept[key] = load(library.resolve_model(str(model)), device)
    return kept[key]
