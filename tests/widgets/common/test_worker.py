"""Work in threads that the end of the program overtakes."""

import subprocess
import sys

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
