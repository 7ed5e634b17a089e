"""The command ``count`` as a person gives it, with a stand-in for the network."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.fakes import BlobEngine, model_folder, slide
from napari_diatom import engines
from napari_diatom.cli import app as cli

TABLES = ("specimens.csv", "counts.csv", "images.csv")


def count(*arguments: object, engine: object | None = None, outliner: object | None = None) -> int:
    """Run ``napari-diatom count`` and return its exit code."""
    given = [str(argument) for argument in arguments]
    if "--model" not in given:
        out = Path(given[given.index("-o") + 1])
        given += ["--model", str(model_folder(out.parent / "model"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "load", lambda model, device, threads=None, precision="auto": engine or BlobEngine())
        if outliner is not None:
            patch.setattr(engines, "load_outliner", lambda model, device, threads=None, precision="auto": outliner)
        return cli.main(["count", *given])


def save(path: Path, number: int = 2, seed: int = 0) -> Path:
    """Write a small slide with so many specimens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(slide(number=number, seed=seed)).save(path)
    return path


def save_season(folder: Path) -> Path:
    """Write five slides of two samples into a folder, one of them damaged, and return the folder."""
    for k, sample in enumerate(("river", "river", "lake", "lake")):
        save(folder / sample / f"{k}.png", number=k + 1, seed=k)
    damaged = save(folder / "lake" / "damaged.png")
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    return folder


def count_season(slides: Path, out: Path, *arguments: str) -> int:
    """Count such slides with the bundled model, and return the exit code."""
    return cli.main(["count", str(slides), "-o", str(out), "--threads", "2", "--threshold", "0.1", *arguments])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def record(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return found


def results(out: Path) -> dict[str, bytes]:
    """Return all that a run has left, but for the journal, and ``run.json`` with its times."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".napari-diatom" not in path.relative_to(out).parts and path.name != "run.json"
    }
