"""Ultralytics and OpenVINO without surprises: nothing installed, downloaded or reported behind the user's back."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

CACHE = Path(user_cache_dir("napari-diatom", appauthor=False))


def silence_ultralytics() -> None:
    """Import Ultralytics with its network access, auto-install and event reports switched off.

    Its settings file lives in this project's own cache folder, so a user's Ultralytics settings are never touched, and
    Pillow opens images as it did before: Ultralytics' own way asks for another package where a file is not an image.
    """
    from PIL import Image

    opens = Image.open
    os.environ.setdefault("YOLO_CONFIG_DIR", str(CACHE / "ultralytics"))
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ.setdefault("YOLO_VERBOSE", "false")
    Path(os.environ["YOLO_CONFIG_DIR"]).mkdir(parents=True, exist_ok=True)
    from ultralytics import utils

    Image.open = opens
    settings: Any = utils.SETTINGS
    utils.ONLINE = False
    settings.update({"sync": False})


def silence_openvino() -> None:
    """Keep OpenVINO's converter from reporting its use; call before the first import of openvino.

    Without its telemetry package OpenVINO falls back on a stand-in of its own that sends nothing.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


@cache
def openvino_core() -> Any:
    """Return OpenVINO's ``Core``, one for the whole process, which is never taken down.

    Its CPU plugin gives the thread that first compiles a graph another stack for signal handlers, and takes the one
    before back when it is unloaded, in whatever thread that happens. A thread whose signal stack is gone dies of the
    next interrupt or ended child process.
    """
    silence_openvino()
    import openvino

    return openvino.Core()
