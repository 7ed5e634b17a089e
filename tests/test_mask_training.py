import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from diatom_training.examples import Example
from diatom_training.masks.options import MaskOptions
from diatom_training.masks.train import CHECKPOINT, Trained, train
from napari_diatom import geometry
from napari_diatom.errors import Stopped
from napari_diatom.progress import Progress

MAPS = MaskOptions(
    architecture="deeplabv3plus/tu-test_efficientnet/16",
    size=64,
    batch=2,
    crops=6,
    epochs=3,
    validation_crops=2,
    warmup=2,
    workers=0,
)
INSTANCES = MAPS.model_copy(
    update={"architecture": "maskrcnn/tu-test_efficientnet/8", "crops": 4, "epochs": 2, "proposals": 8, "dropout": 0.2}
)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """Two fields, each with a dark needle and a square on grey."""
    return [draw(tmp_path / f"field{k}.png", 0.4 + k) for k in range(2)]


def draw(path: Path, angle: float) -> Example:
    image = np.full((120, 140, 3), 160, np.uint8)
    corners = geometry.corners([[70, 60, 90, 12, angle], [30, 90, 30, 29, 0.0]]).astype(np.float32)
    cv2.fillPoly(image, list(np.rint(corners).astype(np.int32)), (40, 60, 80))
    cv2.imwrite(str(path), image)
    return Example(path, tuple(corners), (angle, 0.0), (0, 0), (0.5, 1.0))


def same(one: Trained, other: Trained) -> None:
    assert one.history == other.history
    assert (one.mean, one.std) == (other.mean, other.std)
    theirs = other.network.state_dict()
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("options", [MAPS, INSTANCES], ids=["maps", "instances"])
def test_a_stopped_training_goes_on_to_the_same_weights(
    tmp_path: Path, examples: list[Example], options: MaskOptions
) -> None:
    undisturbed = train(examples, options, tmp_path / "whole")
    stop = threading.Event()

    def stop_in_the_second_epoch(progress: Progress) -> None:
        if progress.stage == "step" and progress.done * options.batch > options.crops:
            stop.set()

    with pytest.raises(Stopped):
        train(examples, options, tmp_path / "halves", report=stop_in_the_second_epoch, should_stop=stop.is_set)
    same(train(examples, options, tmp_path / "halves"), undisturbed)
    same(train(examples, options, tmp_path / "halves"), undisturbed)


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path, examples: list[Example]) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, pathlib, test_mask_training as t\n"
        "from diatom_training.masks.train import train\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "some = [t.draw(folder / f'field{k}.png', 0.4 + k) for k in range(2)]\n"
        "train(some, t.MAPS, folder / 'killed', report=lambda p: print(p.stage, p.done, flush=True))\n"
    )
    paths = [str(Path(__file__).parent), *filter(None, sys.path)]
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[:2] == ["epoch", "1"]:
            break
    time.sleep(random.uniform(0, 0.5))
    process.kill()
    process.wait()
    process.stdout.close()
    assert (tmp_path / "killed" / CHECKPOINT).exists()
    resumed = train(examples, MAPS, tmp_path / "killed")
    same(resumed, train(examples, MAPS, tmp_path / "whole"))
