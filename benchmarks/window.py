"""A folder of fields, searched in napari's window: memory, stalls, time to cancel, and going on after a kill.

Set-up: ``pip install -e '.[benchmark]'`` and ``'.[test]'``, and on Linux without a screen Xvfb and the system libraries
of Qt, which ``scripts/test`` installs. Run with ``xvfb-run -a -s '-screen 0 1366x768x24' python benchmarks/window.py``.

A first window is killed when it has counted some fields. A second one goes on, is cancelled once, and goes on to the
end; meanwhile images of the list are opened. Then the command line counts the same folder: its tables are the same
bytes. The heartbeat is that of ``gui.py``. Plain napari is measured before, with the same images and boxes as layers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from counted_bytes import counted_bytes
from fields import render
from gui import Heartbeat, spin

MB = 1 << 20
MOST_GROWTH_MB = 150
MOST_STALL_MS = 100
MOST_SHARE = 1.2
MOST_CANCEL_S = 1.0


def make_fields(folder: Path, count: int, processes: int) -> None:
    """Write fields in a few folders: some rendered ones, turned, mirrored, and with noise of their own."""
    rng = np.random.default_rng(17)
    pictures = [np.asarray(field.pixels)[..., :3] for field in render(8, 17, 960, 1280, processes)]
    for number in range(count):
        picture = pictures[number % len(pictures)]
        picture = np.rot90(picture, 2 * (number // 8 % 2))[:, :: -1 if number // 16 % 2 else 1]
        noisy = np.clip(picture.astype(np.int16) + rng.integers(-3, 4, picture.shape), 0, 255).astype(np.uint8)
        path = folder / f"sample{number % 5}" / f"field{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), noisy[..., ::-1] if noisy.ndim == 3 else noisy)


class MemoryWatch:
    """The largest memory of this process and of its children, looked at four times a second."""

    def __init__(self) -> None:
        self.window = self.children = 0
        self._stop = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def restart(self) -> int:
        """Forget the largest values; return the present one of this process."""
        self.window = psutil.Process().memory_info().rss
        return self.window

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.25):
            self.window = max(self.window, me.memory_info().rss)
            sizes = []
            for child in me.children(recursive=True):
                try:
                    sizes.append(child.memory_info().rss)
                except psutil.Error:
                    continue
            self.children = max(self.children, sum(sizes))


class Window:
    """napari with the dock *Detect diatoms*, at the size of a laptop."""

    def __init__(self) -> None:
        import napari

        self.viewer = napari.Viewer(show=False)
        self.viewer.window._qt_window.resize(1366, 768)
        self.viewer.window._qt_window.show()
        spin(2)

    def open_dock(self) -> None:
        """Open the dock, as the menu does."""
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
        spin(2)

    def part(self, name: str) -> Any:
        """Return a part of the dock."""
        from qtpy.QtWidgets import QWidget

        found = self.dock.findChild(QWidget, name)
        assert found is not None, name
        return found

    def begin(self, folder: Path) -> None:
        """Search a folder; go on with what is there."""
        from napari_diatom.widgets.batch_run import batch_run
        from napari_diatom.widgets.batch_run.batch_form import Scope

        batch_run.ask = lambda parent, title, text, *answers: answers.index("Go on")
        self.dock.batch.scope.setValue(Scope.FOLDER)
        self.part("input_folder").setText(str(folder))
        spin(0.2)
        self.part("run").click()

    @property
    def running(self) -> bool:
        """Whether a run is in progress."""
        return bool(self.dock.value().running or self.dock.batch._reading)

    def finished(self) -> int:
        """Return how many images are finished."""
        return sum(state.finished for state in self.part("image_list").images.states())

    def until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so, or the run is over."""
        spin(until=lambda: done() or not self.running)


def killed_window(folder: Path, count: int) -> None:
    """Search a folder in a window until so many fields are finished, then wait to be killed."""
    window = Window()
    window.open_dock()
    window.begin(folder)
    window.until(lambda: window.finished() >= count)
    print("ready", flush=True)
    spin(600)


def plain_stall(viewer: Any, pictures: list[Path], boxes: int) -> float:
    """Return the longest stall of napari in ms while it shows images, one after the other, and as many boxes."""
    rng = np.random.default_rng(0)
    with Heartbeat() as heart:
        for path in pictures:
            viewer.layers.clear()
            spin(0.1)
            pixels = cv2.imread(str(path))
            layer = viewer.add_image(pixels, rgb=True)
            spin(0.1)
            corners = rng.uniform(0, 900, (boxes, 1, 2)) + np.array([[0, 0], [0, 40], [20, 40], [20, 0]])
            viewer.add_shapes(list(corners), shape_type="rectangle", name=layer.name)
            spin(0.5)
    viewer.layers.clear()
    spin(0.5)
    return heart.longest_ms


def open_images(window: Window, count: int) -> None:
    """Open images of the list, one after the other, as a user does who looks through the results."""
    table = window.part("image_list")
    rows = [row for row, state in enumerate(table.images.states()) if state.annotations]
    for row in rows[:: max(len(rows) // count, 1)][:count]:
        name = table.images.state(row).image
        table.selectRow(row)
        start = time.perf_counter()
        spin(until=lambda name=name, start=start: _shows(window, name) or time.perf_counter() - start > 10)
        spin(0.3)


def _shows(window: Window, image: str) -> bool:
    """Return whether the specimens of an image are shown."""
    result = window.dock.result()
    return result is not None and result.facts.image == image and len(result.layer.data) == len(result.candidates)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=300, help="fields to render and to search (300)")
    parser.add_argument("--folder", type=Path, help="folder of images to search, in place of rendered fields")
    parser.add_argument("--looked-at", type=int, default=20, help="images to open from the list (20)")
    parser.add_argument("--processes", type=int, default=2, help="processes that render (2)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--killed-after", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.killed_after is not None:
        killed_window(arguments.folder, arguments.killed_after)
        return 0

    with tempfile.TemporaryDirectory(prefix="napari-diatom-window-", ignore_cleanup_errors=True) as kept:
        place = Path(kept) / "river"
        if arguments.folder is None:
            make_fields(place, arguments.fields, arguments.processes)
        else:
            shutil.copytree(arguments.folder, place)
        return measure(place, Path(kept), arguments)


def measure(place: Path, kept: Path, arguments: argparse.Namespace) -> int:
    """Search a folder in two windows and by the command line, print what was measured, and return 1 on a miss."""
    pictures = sorted(path for path in place.rglob("*") if path.is_file())
    figures: dict[str, float | bool] = {"fields": len(pictures)}
    fine = True

    def verdict(what: str, value: float, limit: float, unit: str) -> None:
        nonlocal fine
        fine &= value <= limit
        figures[what] = round(value, 3)
        state = "ok" if value <= limit else "MISSED"
        print(f"{what:<62} {value:8.1f} {unit:<3} limit {limit:.1f}   {state}", flush=True)

    out = kept / "river-diatoms"
    command = [sys.executable, __file__, "--folder", str(place), "--killed-after", str(max(len(pictures) // 10, 2))]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    ready = any(line.strip() == "ready" for line in first.stdout)
    first.kill()
    first.wait()
    before = len(list((out / ".napari-diatom").glob("*.json"))) - 1
    print(f"The first window was {'killed' if ready else 'over before it was killed'} with {before} images counted.")

    window = Window()
    plain = plain_stall(window.viewer, pictures[: arguments.looked_at], 40)
    most = max(MOST_STALL_MS, MOST_SHARE * plain)
    print(f"{'Longest stall, plain napari with the same layers':<62} {plain:8.1f} ms", flush=True)
    figures["Longest stall, plain napari with the same layers"] = round(plain, 1)
    window.open_dock()
    memory = MemoryWatch()
    window.begin(place)
    window.until(lambda: window.finished() > before)
    after_first = memory.restart()
    with Heartbeat() as heart:
        window.until(lambda: window.finished() >= before + max(len(pictures) // 10, 2))
    verdict("Longest stall, counting", heart.longest_ms, most, "ms")
    start = time.perf_counter()
    with Heartbeat() as heart:
        window.part("cancel").click()
        spin(until=lambda: not window.dock.value().running)
    verdict("Time to cancel", time.perf_counter() - start, MOST_CANCEL_S, "s")
    verdict("Longest stall, cancelling", heart.longest_ms, most, "ms")
    spin(1)
    window.begin(place)
    window.until(lambda: window.finished() == len(pictures) // 2)
    with Heartbeat() as heart:
        open_images(window, arguments.looked_at)
    verdict("Longest stall, opening images while the rest is counted", heart.longest_ms, most, "ms")
    with Heartbeat() as heart:
        window.until(lambda: False)
        spin(1)
    verdict("Longest stall, counting to the end and reading the table", heart.longest_ms, most, "ms")
    with Heartbeat() as heart:
        open_images(window, arguments.looked_at)
    verdict("Longest stall, opening images afterwards", heart.longest_ms, most, "ms")
    grown = (memory.window - after_first) / MB
    verdict("Memory of the window above that after its first field", grown, MOST_GROWTH_MB, "MB")
    print(f"{'Memory of its other processes, at most':<62} {memory.children / MB:8.1f} MB")
    figures["Memory of its other processes, at most"] = round(memory.children / MB, 1)
    memory.stop()
    layers = len(window.viewer.layers)
    verdict("Layers in the viewer", layers, 2, "")

    typed = kept / "typed"
    counting = [sys.executable, "-m", "napari_diatom.cli", "count", str(place), "-o", str(typed)]
    subprocess.run(counting, check=True, stdout=subprocess.DEVNULL)
    same = counted_bytes(out) == counted_bytes(typed)
    figures["The same bytes as the command line"] = same
    print(f"The tables, annotations and overlays are {'' if same else 'NOT '}those of the command line.")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    window.viewer.close()
    return 0 if fine and same else 1


if __name__ == "__main__":
    sys.exit(main())
