"""A run of ``count`` that the window asks its child process for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from napari_diatom.analysis.worker_serving import LoadedNetworks
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.counting.batch import count
from napari_diatom.counting.batch_options import Batch
from napari_diatom.counting.image_states import Watch

RUN: Final = "napari_diatom.counting.batch_job:run"
"""What :func:`napari_diatom.analysis.worker_process.call` calls for a :class:`BatchJob`."""


@dataclass(frozen=True)
class BatchJob:
    """A batch, and the networks for it.

    Attributes
    ----------
    batch : Batch
        What to count, and where to put the results.
    model : Path
        Folder of the model that finds specimens.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    namer, outliner : Path or None
        Folders of models that name specimens, and outline those that are found as boxes.
    """

    batch: Batch
    model: Path
    device: str = "auto"
    namer: Path | None = None
    outliner: Path | None = None


def run(job: BatchJob, networks: LoadedNetworks, monitor: ProgressMonitor, tell: Watch) -> None:
    """Run :func:`napari_diatom.counting.batch.count`; raises as it does."""

    def loaded(load: Any, folder: Path | None) -> Any:
        return None if folder is None else partial(load, folder, job.device, monitor)

    count(
        job.batch,
        partial(networks.engine, job.model, job.device, monitor),
        monitor,
        load_namer=loaded(networks.classifier, job.namer),
        load_outliner=loaded(networks.outliner, job.outliner),
        watch=tell,
    )
