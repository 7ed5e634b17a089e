"""A disk that is full at every write of ``count``, of a project and of a training.

Each number is one run on a file system of its own in memory, of which a filler leaves so many pages free. What had
been finished before the disk was full has to be there when there is room again, and going on has to give what an
undisturbed run gives.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import yaml
from kills import IMAGES, act, content, described
from PIL import Image

from hostile_inputs.watch import Fault
from napari_diatom.cli import main
from napari_diatom.core.errors import OutputError
from napari_diatom.project.project import Project

PAGE: Final = 4096
DISK_BYTES: Final = {"count": 8 * 2**20, "project": 4 * 2**20, "training": 96 * 2**20}
_TABLES: Final = ("specimens.csv", "counts.csv", "tables.xlsx")
_OPTIONS: Final = ["--xlsx", "--pixel-size", "0.1"]
_state: dict[str, Any] = {}


def prepare(folder: Path) -> None:
    """Make the inputs, and run each command once where there is room."""
    if not may_mount(folder):
        raise SystemExit(
            "A file system in memory cannot be mounted here: run this part as root, or under `unshare -rm`."
        )
    rng = np.random.default_rng(0)
    for number in range(2):
        picture = rng.normal(170, 4, (240, 320)).clip(0, 255).astype(np.uint8)
        for _ in range(4):
            centre = tuple(rng.integers(60, 180, 2).tolist())
            cv2.ellipse(picture, centre, (40, 9), float(rng.uniform(0, 180)), 0, 360, 90, 2)
        Image.fromarray(picture).save(folder / f"slide-{number}.png")
    for name in IMAGES:
        Image.fromarray(rng.integers(0, 255, (400, 600), dtype=np.uint8)).save(folder / f"{name}.png")
    images = [str(folder / f"slide-{number}.png") for number in range(2)]
    if main(["count", *images, "-o", str(folder / "whole"), *_OPTIONS]):
        raise SystemExit("count does not run here")
    _state["images"] = images
    _state["tables"] = {
        name: (folder / "whole" / name).read_bytes() for name in _TABLES if (folder / "whole" / name).exists()
    }
    _state["config"] = _training(folder)


def may_mount(folder: Path) -> bool:
    """Return whether a file system in memory can be mounted."""
    try:
        with disk(folder / "probe", PAGE * 16):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextlib.contextmanager
def disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a file system of some bytes in memory for the block."""
    place.mkdir(parents=True, exist_ok=True)
    _call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    try:
        yield place
    finally:
        _call("umount", "--lazy", str(place))


def _call(*command: str) -> None:
    """Run a program of the system without the audit hook taking it for the product's doing."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.execvp(command[0], command)
        os._exit(127)
    if os.waitpid(pid, 0)[1]:
        raise OSError(f"{' '.join(command)} failed")


@contextlib.contextmanager
def filled(place: Path, pages: int) -> Iterator[None]:
    """Leave so many pages of a disk free for the block."""
    filler = place / "filler"
    found = os.statvfs(place)
    with filler.open("wb") as stream, contextlib.suppress(OSError):
        for _ in range(max(found.f_bavail * found.f_frsize // PAGE - pages, 0)):
            os.write(stream.fileno(), b"\xff" * PAGE)
    try:
        yield
    finally:
        filler.unlink()


def attempt(number: int, seed: int, folder: Path) -> str:
    """Run one command with so little room, make room, go on, and compare."""
    rng = random.Random(f"{seed} {number}")
    kind = ("count", "project", "count", "project", "count", "project", "count", "training")[number % 8]
    with disk(folder / "disk", DISK_BYTES[kind]) as place:
        return {"count": _counted, "project": _annotated, "training": _trained}[kind](number // 2, rng, place)


def _counted(step: int, rng: random.Random, place: Path) -> str:
    """Count until the disk is full; then resume."""
    out = place / "out"
    command = ["count", *_state["images"], "-o", str(out), *_OPTIONS]
    with filled(place, step % 64):
        code = main(command)
    if code not in (0, 2, 3):
        raise Fault("traceback", f"count ended with {code}")
    if code:
        there = (
            {path: path.stat().st_mtime_ns for path in (out / ".napari-diatom").glob("*.json")} if out.exists() else {}
        )
        if main([*command, "--resume"]):
            raise Fault("lost", "count could not be resumed")
        again = [path.name for path, when in there.items() if path.exists() and path.stat().st_mtime_ns != when]
        if [name for name in again if len(name) > 30]:
            raise Fault("lost", f"images were counted again: {again}")
    for name, data in _state["tables"].items():
        if (out / name).read_bytes() != data:
            raise Fault("lost", f"{name} differs from that of an undisturbed run")
    if left := [path.name for path in out.rglob("*.part")]:
        raise Fault("lost", f"half files are left: {left}")
    return "count, refused and resumed" if code else "count, had room"


def _annotated(step: int, rng: random.Random, place: Path) -> str:
    """Annotate until the disk is full, make room, go on, and open again."""
    images = [place.parents[1] / f"{name}.png" for name in IMAGES]
    Project.create(place / "p", images, ["Navicula"]).close()
    project = Project.open(place / "p", "someone")
    refused = 0
    with filled(place, rng.randrange(24)):
        for _ in range(60):
            try:
                act(project.document(rng.choice(IMAGES)), rng)
            except OutputError:
                # It stays in memory and goes to disk with the next edit, or at the end.
                refused += 1
            if rng.random() < 0.2:
                with contextlib.suppress(OutputError):
                    project.flush()
            if refused > 5:
                break
    act(project.document(IMAGES[0]), rng)
    last = {name: described(project.document(name), None) for name in IMAGES}
    project.close()
    with Project.open(place / "p", "someone else") as again:
        if content(again, None) != last:
            raise Fault("lost", "the project is not what it was when there was room again")
        history = sorted((place / "p" / ".history").rglob("*.*"))
        if empty := [path.name for path in history if path.is_file() and not path.stat().st_size]:
            raise Fault("lost", f"empty earlier versions: {empty}")
    return "project, refused and gone on" if refused else "project, had room"


def _training(folder: Path) -> Path:
    """Write drawn slides and the settings of a training that takes seconds."""
    data: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "needle"}]}
    (folder / "drawn").mkdir()
    for number in range(8):
        picture = np.full((96, 120, 3), 160, np.uint8)
        corners = cv2.boxPoints(((60.0, 48.0), (60.0, 10.0), 20.0 * number))
        cv2.fillPoly(picture, [np.rint(corners).astype(np.int32)], (40, 60, 80))
        name = f"s{number // 2}_{number}.png"
        Image.fromarray(picture).save(folder / "drawn" / name)
        data["images"].append({"id": number, "file_name": name, "height": 96, "width": 120})
        ring = corners.ravel().tolist()
        x, y = corners.min(axis=0).tolist()
        w, h = (corners.max(axis=0) - corners.min(axis=0)).tolist()
        note = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "segmentation": [ring]}
        data["annotations"].append(note | {"bbox": [x, y, w, h], "area": w * h})
    (folder / "drawn.json").write_text(json.dumps(data))
    learning = {"size": 64, "batch": 2, "crops": 4, "epochs": 2, "validation_crops": 2, "warmup": 2, "workers": 0}
    config = {
        "data": str(folder / "drawn.json"),
        "images": str(folder / "drawn"),
        "task": "semantic",
        "group": r"^(s\d)_",
        "start": "scratch",
        "architecture": "deeplabv3plus/tu-test_efficientnet/16",
        "device": "cpu",
        "learning": learning,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def _trained(step: int, rng: random.Random, place: Path) -> str:
    """Train until the disk is full; then resume."""
    run = place / "run"
    with filled(place, int(2 ** rng.uniform(0, 13))):
        code = main(["train", str(_state["config"]), "-o", str(run)])
    if code not in (0, 2, 3):
        raise Fault("traceback", f"train ended with {code}")
    if code:
        rows = (run / "history.csv").read_text() if (run / "history.csv").exists() else ""
        again = ["train", str(run), "--resume"] if run.exists() else ["train", str(_state["config"]), "-o", str(run)]
        if main(again):
            raise Fault("lost", "the training could not be resumed")
        if not (run / "history.csv").read_text().startswith(rows):
            raise Fault("lost", "the history of finished epochs is another one")
    if not (run / "model" / "model.yaml").exists():
        raise Fault("lost", "there is no model")
    return "training, refused and resumed" if code else "training, had room"
