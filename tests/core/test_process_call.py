"""A task in a process of its own that is stopped: it writes all, or nothing, whenever the stop comes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from napari_diatom.core.errors import Stopped
from napari_diatom.core.process_call import WRITING, call_in_process
from napari_diatom.core.progress import ProgressMonitor

TASK = "helpers.written_tasks:write_parts"


class Stopper:
    """Asks for a stop once a stage was reported."""

    def __init__(self, stage: str) -> None:
        self.stage, self.seen = stage, []
        self.monitor = ProgressMonitor(lambda progress: self.seen.append(progress.stage), lambda: stage in self.seen)


@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize("grace_s", [0.0, 30.0])
def test_a_stop_before_it_writes_leaves_nothing(tmp_path: Path, heeds: bool, grace_s: float) -> None:
    stopper = Stopper("preparing")
    begun = time.monotonic()
    with pytest.raises(Stopped):
        call_in_process(TASK, stopper.monitor, grace_s=grace_s, folder=tmp_path, heeds=heeds)
    assert time.monotonic() - begun < 30
    assert WRITING not in stopper.seen
    assert list(tmp_path.iterdir()) == []


def test_a_stop_while_it_writes_comes_too_late(tmp_path: Path) -> None:
    stopper = Stopper(WRITING)
    assert call_in_process(TASK, stopper.monitor, grace_s=0.0, folder=tmp_path, heeds=True) == 5
    assert len(list(tmp_path.iterdir())) == 5


def test_a_task_that_nobody_stops_gives_its_result(tmp_path: Path) -> None:
    silent = ProgressMonitor(lambda progress: None, lambda: False)
    assert call_in_process(TASK, silent, folder=tmp_path, heeds=True) == 5
