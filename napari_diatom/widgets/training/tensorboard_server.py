"""Runs TensorBoard in another process."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Final

from qtpy.QtCore import QObject, Signal

from napari_diatom.core.processes import start

_ADDRESS: Final = re.compile(rb"http://localhost:\d+/\S*")


class TensorBoardServer(QObject):
    """Runs TensorBoard for one folder at a time."""

    ready = Signal(str)
    """The address for the browser."""
    failed = Signal(str)
    """Why TensorBoard did not start."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: subprocess.Popen[bytes] | None = None

    def open(self, folder: Path) -> None:
        """Start TensorBoard for a folder; ``ready`` or ``failed`` follows."""
        self.close()
        options = ["--logdir", str(folder), "--host", "localhost", "--port", "0"]
        self._process = process = start(
            "diatom_training.finetune.tensorboard_process:serve",
            str(os.getpid()),
            *options,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def close(self) -> None:
        """Stop TensorBoard."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the address. Then keep reading, so that the process is never blocked."""
        assert process.stdout is not None
        last, is_ready = b"", False
        for line in process.stdout:
            last, found = line, _ADDRESS.search(line)
            if found is not None and not is_ready:
                is_ready = True
                self.ready.emit(found[0].decode())
        if not is_ready and self._process is process:
            self.failed.emit(f"TensorBoard did not start: {last.decode(errors='replace').strip()}")
