"""Folders of trainings that nobody has trained."""

from __future__ import annotations

import hashlib
from pathlib import Path

from diatom_training.finetune.run_folder import RunFolder
from helpers.fakes import card
from helpers.tiny import configured


def trained(slides: Path, number: int, digest: bytes) -> RunFolder:
    """Return the run of that number, begun with the usual name, with a model of its own."""
    name = "my-diatoms" if number == 1 else f"my-diatoms-{number}"
    run = RunFolder.create(slides.parent / "runs" / name, configured(slides))
    weights = digest * 100
    known = card().model_copy(
        update={
            "name": "my-diatoms",
            "architecture": "yolo11n-obb",
            "sha256": hashlib.sha256(weights).hexdigest(),
            "metrics": {"specimens": 2.0, "found": 2.0, "precision": 1.0, "recall": 1.0},
        }
    )
    (run / "model").mkdir()
    known.write(run / "model")
    (run / "model" / "weights.safetensors").write_bytes(weights)
    return run
