"""Imports point one way, and cheap things stay cheap."""

import pkgutil
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import diatom_training
import napari_diatom

QT = ("PyQt5", "PyQt6", "PySide2", "PySide6", "qtpy", "napari")


def loaded_after(code: str) -> set[str]:
    """Return the top-level names in ``sys.modules`` of a fresh interpreter that ran ``code``."""
    report = "import sys; print('|'.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.strip().splitlines()[-1].split("|"))


def modules() -> list[str]:
    """Return every module of ours outside the widgets."""
    found = []
    for package in (napari_diatom, diatom_training):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not info.name.startswith("napari_diatom.widgets") and not info.name.endswith("__main__"):
                found.append(info.name)
    return found


def test_no_module_outside_the_widgets_loads_qt_or_napari() -> None:
    lines = "\n".join(f"import {name}" for name in modules())
    assert not loaded_after(lines) & set(QT)


def test_the_plugin_reaches_the_training_package_only_when_asked() -> None:
    ours = [name for name in modules() if name.startswith("napari_diatom.")]
    assert "diatom_training" not in loaded_after("\n".join(f"import {name}" for name in ours))


def test_no_module_touches_the_network_when_imported() -> None:
    guard = "import socket\ndef refuse(*a, **k): raise SystemExit('network')\nsocket.socket.connect = refuse\n"
    guard += "socket.getaddrinfo = refuse\n"
    loaded_after(guard + "\n".join(f"import {name}" for name in modules()))


@pytest.mark.parametrize(
    "code",
    [
        "import napari_diatom",
        "import napari_diatom.api",
        "import napari_diatom; napari_diatom.load_model; napari_diatom.show_versions",
        "import napari_diatom.cli\nnapari_diatom.cli.main(['models', 'list'])",
        "from npe2 import PluginManifest; "
        f"PluginManifest.from_file({str(Path(napari_diatom.__file__).parent / 'napari.yaml')!r})",
        "import napari_diatom.cli\ntry: napari_diatom.cli.main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_first_steps_load_no_torch(code: str) -> None:
    assert not loaded_after(code) & {"torch", "ultralytics", "openvino", "cv2"}


def test_the_package_by_itself_loads_nothing_that_takes_time() -> None:
    assert not loaded_after("import napari_diatom; dir(napari_diatom)") & {"numpy", "pandas", "napari", "scipy"}


def test_a_window_watches_trainings_without_torch() -> None:
    names = (
        "evaluation.curve_diagnosis",
        "evaluation.training_curves",
        "finetune.training_process",
        "finetune.config",
        "finetune.dataset",
        "finetune.resource_estimate",
        "finetune.run_folder",
        "finetune.recent_runs",
    )
    assert "torch" not in loaded_after("\n".join(f"import diatom_training.{name}" for name in names))


def test_help_answers_at_once() -> None:
    def seconds(*command: str) -> float:
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], capture_output=True, check=True)
            best = min(best, time.perf_counter() - start)
        return best

    bare = seconds("-c", "pass")
    # Half a second on an idle machine; a busy one is as slow for an interpreter that does nothing.
    assert seconds("-m", "napari_diatom.cli", "--help") < max(0.5, 8 * bare)


def test_ultralytics_leaves_pillow_as_it_was() -> None:
    loaded_after(
        "from PIL import Image\nopens = Image.open\n"
        "from napari_diatom.engines.third_party import silence_ultralytics\n"
        "silence_ultralytics()\nimport ultralytics.nn.tasks\nassert Image.open is opens"
    )
    loaded_after(
        "from PIL import Image\nopens = Image.open\n"
        "from diatom_training.learning.module_registry import module_for\n"
        "from diatom_training.learning.options import LearningOptions\n"
        "module_for(LearningOptions(architecture='yolo11n'), (0,) * 3, (1,) * 3)\nassert Image.open is opens"
    )


def test_editors_know_all_functions():
    stub = Path(napari_diatom.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    known = re.findall(r"^from napari_diatom\.api import (\w+) as \1$", stub, re.MULTILINE)
    assert sorted([*known, "__version__"]) == sorted(napari_diatom.__all__)
