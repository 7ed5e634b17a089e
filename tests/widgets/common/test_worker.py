"""Work in threads that the end of the program overtakes."""

import subprocess
import sys
import threading
import warnings

from napari.qt.threading import create_worker
from qtpy.QtCore import QThreadPool

from napari_diatom.widgets.common.worker import QuietWorker, ReportingWorker

_PROGRAM = """
import sys, time
sys.path[:] = {path!r}
from napari.qt.threading import create_worker
from qtpy.QtCore import QCoreApplication, QTimer
from napari_diatom.widgets.common.worker import QuietWorker, ReportingWorker
def work(**_):
    time.sleep(1)
app = QCoreApplication([])
workers = [create_worker(work, _worker_class=kind, _ignore_errors=True) for kind in (QuietWorker, ReportingWorker)]
for worker in workers:
    worker.start()
QTimer.singleShot(50, app.quit)
app.exec()
"""


def test_a_program_may_end_before_its_workers():
    program = [sys.executable, "-c", _PROGRAM.format(path=sys.path)]
    done = subprocess.run(program, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_two_workers_at_a_time_leave_the_handler_of_warnings(qtbot):
    before, both, first_over = warnings.showwarning, threading.Barrier(2), threading.Event()

    def first(monitor):
        both.wait(5)

    def second(monitor):
        both.wait(5)
        first_over.wait(5)

    workers = [create_worker(work, _worker_class=ReportingWorker, _ignore_errors=True) for work in (first, second)]
    over = []
    for worker in workers:
        worker.finished.connect(lambda worker=worker: over.append(worker))
        worker.start()
    qtbot.waitUntil(lambda: len(over) == 1)
    first_over.set()
    qtbot.waitUntil(lambda: len(over) == 2)
    assert warnings.showwarning is before


def test_more_workers_than_cores_run_at_once_and_leave_the_pool_as_it_was(qtbot):
    pool = QThreadPool.globalInstance()
    before = pool.activeThreadCount()
    all_run, over = threading.Barrier(pool.maxThreadCount() + 2), []
    for _ in range(all_run.parties):
        worker = create_worker(all_run.wait, 20, _worker_class=QuietWorker, _ignore_errors=True)
        worker.returned.connect(over.append)
        worker.start()
    qtbot.waitUntil(lambda: len(over) == all_run.parties, timeout=30_000)
    qtbot.waitUntil(lambda: pool.activeThreadCount() == before)
