"""Runs over several images in a thread of this process, with a stand-in for the network."""

from __future__ import annotations

from helpers.fakes import BlobEngine, BrightOutliner, TurnNamer
from napari_diatom.counting import batch_job


class CountingHere:
    """Stands for :func:`napari_diatom.analysis.worker_process.call`.

    Attributes
    ----------
    network : BlobEngine
        Finds the specimens; its delay makes a run slow enough to be watched.
    jobs : list of BatchJob
        What was asked for.
    after : callable
        Called with the states that are told, before the window gets them.
    """

    def __init__(self) -> None:
        self.network = BlobEngine()
        self.jobs = []
        self.after = lambda states: None

    def __call__(self, target, job, monitor, tell):
        assert target == batch_job.RUN
        self.jobs.append(job)

        def told(states):
            self.after(states)
            tell(states)

        return batch_job.run(job, self, monitor, told)

    def engine(self, model, device, monitor):
        """Return the network, as the networks of the other process do."""
        return self.network

    def classifier(self, model, device, monitor):
        """Return what names specimens."""
        return TurnNamer()

    def outliner(self, model, device, monitor):
        """Return what outlines specimens."""
        return BrightOutliner()


def run_slowly(job, networks, monitor, tell):
    """Run a job in another process, a tenth of a second an image."""
    slow = CountingHere()
    slow.network = BlobEngine(delay=0.1)
    return batch_job.run(job, slow, monitor, tell)


def finish(widget, qtbot, seconds=20):
    """Wait for the end of a run, and for the table."""
    timeout = 1000 * seconds
    qtbot.waitUntil(lambda: not widget.value().running and not widget.batch._reading, timeout=timeout)
