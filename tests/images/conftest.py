"""Images are counted by the command line, with a stand-in for the network."""

from __future__ import annotations

import csv
import json

import pytest

from helpers.fakes import BlobEngine, model_folder
from napari_diatom.cli import app as cli


@pytest.fixture
def count(tmp_path, monkeypatch):
    """Count with a stand-in for the network; return the exit code, specimens by image, and what run.json says."""
    monkeypatch.setattr("napari_diatom.engines.load", lambda *_, **options: BlobEngine())
    model = model_folder(tmp_path / "model")

    def run(*arguments: object) -> tuple[int, dict[str, int], dict]:
        out = tmp_path / "out"
        code = cli.main(
            ["count", *map(str, arguments), "-o", str(out), "--model", str(model), "--overwrite", "--no-overlays"]
        )
        if code == 2:
            return code, {}, {}
        found: dict[str, int] = {}
        with (out / "counts.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                found[row["image"]] = found.get(row["image"], 0) + int(row["count"])
        return code, found, json.loads((out / "run.json").read_text(encoding="utf-8"))

    return run
