"""A task that prepares for a while and then writes."""

from __future__ import annotations

import time
from pathlib import Path

from napari_diatom.core.process_call import WRITING
from napari_diatom.core.progress import Progress, ProgressMonitor


def write_parts(folder: Path, heeds: bool, monitor: ProgressMonitor) -> int:
    """Write five files after a while; one that does not heed a stop looks for none before."""
    monitor.report(Progress("preparing", 0, 1))
    for _ in range(20):
        time.sleep(0.05)
        if heeds:
            monitor.check()
    for number in range(5):
        monitor.report(Progress(WRITING, number, 5))
        time.sleep(0.1)
        monitor.check()
        (folder / str(number)).write_text("whole")
    return len(list(folder.iterdir()))
