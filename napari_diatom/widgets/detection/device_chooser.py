"""The choice of the device that a network runs on."""

from __future__ import annotations

from collections.abc import Callable

from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox
from superqt.utils import signals_blocked

from napari_diatom.widgets.common.device_titles import DEVICE_TITLES
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.worker import QuietWorker


class DeviceChooser(QComboBox):
    """Offers automatic choice and the processor at once, and the accelerators when they are found.

    Parameters
    ----------
    list_devices : callable
        Lists the devices, in a thread.
    """

    def __init__(self, list_devices: Callable[[], tuple[str, ...]]) -> None:
        super().__init__()
        named(self, "device", "The processor or graphics card that the model runs on", "Device")
        self._list_devices = list_devices
        self._fill(("auto", "cpu"))
        QTimer.singleShot(0, self._look)

    def device(self) -> str:
        """Return the chosen device."""
        return self.currentData() or "auto"

    def _look(self) -> None:
        worker = create_worker(self._list_devices, _worker_class=QuietWorker, _ignore_errors=True)
        worker.returned.connect(self._fill)
        worker.start()

    def _fill(self, devices: tuple[str, ...]) -> None:
        chosen = self.currentData()
        with signals_blocked(self):
            self.clear()
            for device in devices:
                self.addItem(DEVICE_TITLES.get(device, device), device)
            self.setCurrentIndex(max(self.findData(chosen), 0))
