"""The example slides in napari's menu, rendered on first use. Qt is imported only when a window is open."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_diatom import __version__
from napari_diatom.napari_layers.reader_writer import LayerData

if TYPE_CHECKING:
    from numpy.typing import NDArray


def render_in_process(name: str, file: Path) -> None:
    """Render an example slide into ``file`` in a separate process, while the window responds.

    napari needs the data of a sample as a return value, so this function waits in its own event loop.

    Raises
    ------
    OutputError
        When the process fails.
    """
    from napari.utils import progress
    from qtpy.QtCore import QEventLoop, QProcess

    from diatom_training.synthesis.sample_slides import render_command, rendered

    process = QProcess()
    loop = QEventLoop()
    process.finished.connect(loop.quit)
    process.errorOccurred.connect(loop.quit)
    program, *arguments = render_command(name, file)
    with progress(desc=f"Rendering {name}", total=0):
        process.start(program, arguments)
        loop.exec()
    rendered(file, bytes(process.readAllStandardError().data()).decode("utf-8", "replace"))


def _sample(name: str) -> list[LayerData]:
    """Return an example slide as an image layer. The first use renders it, which takes some seconds."""
    from platformdirs import user_cache_dir

    from diatom_training.synthesis.sample_descriptions import SAMPLES
    from diatom_training.synthesis.sample_slides import render_to

    sample = next(known for known in SAMPLES if known.name == name)
    file = Path(user_cache_dir("napari-diatom", appauthor=False)) / "samples" / __version__ / f"{name}.npy"
    if not file.exists():
        if window_is_open():
            render_in_process(name, file)
        else:
            render_to(name, file)
    image: NDArray[np.uint8] | NDArray[np.uint16] = np.load(file)
    size = sample.options.pixel_size_um
    kwargs: dict[str, Any] = {
        "name": sample.file,
        "scale": (size, size),
        "units": ("µm", "µm"),
        "rgb": image.ndim == 3,
        "metadata": {"description": sample.description},
    }
    return [(image, kwargs, "image")]


def window_is_open() -> bool:
    """Return whether a Qt application runs, without importing Qt."""
    if "qtpy" not in sys.modules:
        return False
    from qtpy.QtWidgets import QApplication

    return QApplication.instance() is not None


river: Final = partial(_sample, "river_bright_field_40x")
lake: Final = partial(_sample, "lake_dic_63x")
stream: Final = partial(_sample, "stream_crowded_20x")
coast: Final = partial(_sample, "coast_needle_chains_phase_40x")
bay: Final = partial(_sample, "bay_needles_phase_20x")
spring: Final = partial(_sample, "spring_empty_40x")
moor: Final = partial(_sample, "moor_bright_field_100x")
pond: Final = partial(_sample, "pond_living_dic_60x")
