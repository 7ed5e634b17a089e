"""Training of every task, on networks and images of a few pixels."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from diatom_training.data.crop_geometry import CropGeometry
from diatom_training.data.crops import Crop, random_crop, read_rgb
from diatom_training.data.examples import Example
from diatom_training.learning import augment, dataloaders, lr_schedule, module_registry, precision, targets
from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.backbones import backbone_of, read_lite0
from diatom_training.learning.fitting import CHECKPOINT, Fitting
from diatom_training.learning.options import LearningOptions, LossOptions
from diatom_training.learning.segmentation_loss import MapLoss
from diatom_training.learning.semantic_module import SemanticModule
from diatom_training.learning.train import train
from helpers import TESTS
from helpers.drawn_fields import MAPS, draw, same
from napari_diatom.core.errors import DiatomError, InputError, OutputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines import yolo_net

INSTANCES = MAPS.model_copy(
    update={"architecture": "maskrcnn/tu-test_efficientnet/8", "crops": 4, "epochs": 2, "proposals": 8, "dropout": 0.2}
)

BOXES = MAPS.model_copy(
    update={"architecture": "yolo11n-obb", "epochs": 2, "average_decay": 0.9, "loss_gains": {"box": 5.0}}
)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """Two fields, each with a dark needle and a square on grey."""
    return [draw(tmp_path / f"field{k}.png", 0.4 + k) for k in range(2)]


@pytest.mark.parametrize("options", [MAPS, INSTANCES, BOXES], ids=["maps", "instances", "boxes"])
def test_a_stopped_training_goes_on_to_the_same_weights(
    tmp_path: Path, examples: list[Example], options: LearningOptions
) -> None:
    undisturbed = train(Fitting(examples, options, tmp_path / "whole"))
    stop = threading.Event()

    def stop_in_the_second_epoch(progress: Progress) -> None:
        if progress.stage == "step" and progress.done * options.batch > options.crops:
            stop.set()

    with pytest.raises(Stopped):
        train(Fitting(examples, options, tmp_path / "halves"), ProgressMonitor(stop_in_the_second_epoch, stop.is_set))
    same(train(Fitting(examples, options, tmp_path / "halves")), undisturbed)
    same(train(Fitting(examples, options, tmp_path / "halves")), undisturbed)


def test_a_job_of_slurm_is_a_machine_like_any_other(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"NTASKS": "4", "JOB_ID": "7", "JOB_NAME": "train", "PROCID": "1", "LOCALID": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    options = MAPS.model_copy(update={"epochs": 1})
    assert len(train(Fitting(examples, options, tmp_path)).history) == 1


@pytest.mark.parametrize("architecture", ["yolo26n-obb", "yolov10n"])
def test_networks_of_two_heads_are_trained_by_the_one_that_is_used(
    tmp_path: Path, examples: list[Example], architecture: str
) -> None:
    trained = train(Fitting(examples, BOXES.model_copy(update={"architecture": architecture}), tmp_path / "run"))
    assert {"train_box", "train_class", "val_ap50"} <= set(trained.history[-1])
    with torch.inference_mode():
        raw = yolo_net.RawOutput(trained.network)(torch.rand(1, 3, 64, 64))
    assert raw.shape[-1] == 64 + 16 + 4
    assert torch.isfinite(raw).all()


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path, examples: list[Example]) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, pathlib\n"
        "from helpers import drawn_fields as t\n"
        "from diatom_training.learning.fitting import Fitting\n"
        "from diatom_training.learning.train import train\n"
        "from napari_diatom.core.progress import ProgressMonitor\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "some = [t.draw(folder / f'field{k}.png', 0.4 + k) for k in range(2)]\n"
        "monitor = ProgressMonitor(lambda p: print(p.stage, p.done, flush=True))\n"
        "train(Fitting(some, t.MAPS, folder / sys.argv[2]), monitor)\n"
    )
    paths = [str(TESTS), *filter(None, sys.path)]

    def start(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(script), str(tmp_path), name],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    process = start("killed")
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[:2] == ["epoch", "1"]:
            break
    time.sleep(random.uniform(0, 0.5))
    process.kill()
    process.communicate()
    assert (tmp_path / "killed" / CHECKPOINT).exists()
    # In processes of their own: the last digits of a sum depend on the threads, which other tests may have set here.
    for name in ("killed", "whole"):
        process = start(name)
        process.communicate()
        assert process.returncode == 0
    same(train(Fitting(examples, MAPS, tmp_path / "killed")), train(Fitting(examples, MAPS, tmp_path / "whole")))


def made(*polygons: list[list[float]], size: int = 32) -> Crop:
    rings = tuple(np.array(polygon, dtype=np.float64) for polygon in polygons)
    upright = np.array([[*ring.min(axis=0), *ring.max(axis=0)] for ring in rings]).reshape(-1, 4)
    pixels = np.zeros((size, size, 3), np.uint8)
    return Crop(pixels, np.zeros((len(rings), 5)), upright, np.zeros(len(rings), np.int64), rings)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def test_processes_that_share_a_batch_see_all_of_it_and_resume(tmp_path: Path, examples: list[Example]) -> None:
    shares = [dataloaders.batches(examples, MAPS, 0, 1, rank, 2).dataset for rank in (0, 1)]
    whole = dataloaders.Crops(examples, MAPS, 0)
    for k in range(MAPS.crops):
        assert (shares[k % 2][k // 2].pixels == whole[k].pixels).all()
    options = MAPS.model_copy(update={"frozen_epochs": 1, "patience": 2, "average_decay": 0.5})
    steps: list[Progress] = []
    train(Fitting(examples, options, tmp_path / "run", devices=2, until=1), ProgressMonitor(steps.append))
    assert [step.done for step in steps if step.stage == "step"] == [1, 2, 3]
    trained = train(Fitting(examples, options, tmp_path / "run", devices=2))
    assert len(trained.history) == 3
    assert all(np.isfinite(list(epoch.values())).all() for epoch in trained.history)
    alone = train(Fitting(examples, options, tmp_path / "alone", devices=1))
    # The same crops in the same steps; the statistics of normalization are those of half a batch.
    assert trained.history[0]["train_loss"] == pytest.approx(alone.history[0]["train_loss"], rel=0.3)
    assert "LOCAL_RANK" not in os.environ
    with pytest.raises(InputError, match="8 devices were requested, and"):
        train(Fitting(examples, MAPS, tmp_path / "many", device="cuda", devices=8))


def test_touching_specimens_are_kept_apart_and_crossing_ones_are_one() -> None:
    touching = targets.semantic_target(made(rectangle(2, 4, 10, 12), rectangle(10, 4, 20, 12)))
    assert touching[6, 2:20].tolist() == [1] * 7 + [0] * 2 + [1] * 9
    apart = targets.semantic_target(made(rectangle(2, 4, 10, 12), rectangle(11, 4, 20, 12)))
    assert apart[6, 2:20].tolist() == [1] * 8 + [0] + [1] * 9
    crossing = targets.semantic_target(made(rectangle(2, 8, 30, 12), rectangle(10, 2, 14, 30)))
    assert crossing[10, 2:30].all()
    assert crossing[2:30, 12].all()
    remnant = replace(made(), remnants=((np.array(rectangle(2, 4, 10, 12)), 1),))
    assert (targets.semantic_target(remnant)[4:12, 2:10] == 2).all()


def test_instances_are_whole_and_their_masks_meet_torchvision_s_sampling() -> None:
    from torchvision.models.detection.roi_heads import project_masks_on_boxes

    crop = made(rectangle(4.5, 6, 20.5, 14), rectangle(10, 2, 14, 30), rectangle(1, 1, 1.4, 9))
    target = targets.instances(crop, drawn=True)
    assert target["boxes"].tolist() == [[4.5, 6, 20.5, 14], [10, 2, 14, 30]]
    assert target["drawn"].sum(dim=(1, 2)).tolist() == [16 * 8, 4 * 28]
    # A box twice as wide as the specimen, around its middle: exactly the middle half of the cells are inside.
    box = torch.tensor([[-3.5, 6.0, 28.5, 14.0]])
    mask = project_masks_on_boxes(target["masks"][:1], box, torch.tensor([0]), 16)[0]
    assert (mask.mean(dim=0) > 0.5).nonzero().flatten().tolist() == list(range(4, 12))
    assert targets.instances(made())["masks"].shape == (0, 32, 32)


def test_a_crop_s_masks_lie_on_what_it_shows(examples: list[Example]) -> None:
    turned = CropGeometry(rotation=1.0, shear_deg=20.0)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        crop = random_crop(examples[0], 96, rng, turned)
        dark = crop.pixels.max(axis=2) < 100
        drawn = targets.semantic_target(crop) > 0
        assert (dark & drawn).sum() > 0.93 * max(dark.sum(), drawn.sum()) - 6
        assert len(crop.polygons) == len(crop.oriented) == len(crop.upright)


def test_augmentation_depends_on_the_seed_alone_and_keeps_the_outlines(examples: list[Example]) -> None:
    everything = AugmentOptions(
        rotation=0.5, grey=0.5, invert=0.5, blur=1.0, defocus=1.0, noise=1.0, jpeg=1.0, contrast=0.6
    )
    one, again, other = (
        augment.augmented_crop(examples[0], 64, np.random.default_rng(seed), everything) for seed in (3, 3, 4)
    )
    assert np.array_equal(one.pixels, again.pixels)
    assert not np.array_equal(one.pixels, other.pixels)
    plain = read_rgb(examples[0].image)
    assert not np.array_equal(augment.recoloured(plain, np.random.default_rng(0), everything), plain)
    assert one.pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("schedule", ["cosine", "step", "plateau", "one-cycle", "cyclic", "constant"])
def test_rates_rise_and_fall_within_their_bounds(schedule: str) -> None:
    options = MAPS.model_copy(update={"schedule": schedule, "rate": 0.1, "final_rate": 0.05, "warmup": 10})
    history = [{"val_loss": 1.0}] * 8
    rates = [lr_schedule.rate(options, step, 100, history[: step // 10]) for step in range(101)]
    assert max(rates) == pytest.approx(0.1, rel=0.03)
    assert rates[0] < 0.02
    assert min(rates[10:]) >= 0.05 * 0.1 - 1e-9
    assert (rates[-1] < 0.04) == (schedule != "constant")


def test_plateaus_and_the_best_epoch() -> None:
    history = [{"val_loss": value} for value in (3.0, 2.0, 2.5, 2.1, 2.2, 2.3, 1.9)]
    assert lr_schedule.plateaus(history, 2) == 2
    assert lr_schedule.epochs_since_best(history[:-1]) == 4
    assert lr_schedule.epochs_since_best(history) == 0


def test_the_backbone_is_frozen_with_its_statistics_and_then_thawed(tmp_path: Path, examples: list[Example]) -> None:
    frozen = MAPS.model_copy(update={"epochs": 2, "frozen_epochs": 1})
    first = train(Fitting(examples, frozen, tmp_path, until=1))
    torch.manual_seed(frozen.seed)
    untouched = backbone_of(module_registry.module_for(frozen, (0.5,) * 3, (0.2,) * 3).network).state_dict()
    for name, value in backbone_of(first.network).state_dict().items():
        assert torch.allclose(value.double(), untouched[name].double(), atol=1e-6), name
    last = backbone_of(train(Fitting(examples, frozen, tmp_path)).network).state_dict()
    assert any(not torch.equal(value, untouched[name]) for name, value in last.items() if "running_mean" in name)
    assert any(not torch.equal(value, untouched[name]) for name, value in last.items() if "conv" in name)


def test_early_stopping_keeps_the_best_weights(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SemanticModule, "measured", lambda self: {"val_loss": 1.0 + abs(len(self.history) - 1)})
    options = MAPS.model_copy(update={"epochs": 5, "patience": 2, "optimizer": "sgd", "l1": 1e-6, "crops": 2})
    trained = train(Fitting(examples, options, tmp_path / "whole"))
    assert [epoch["val_loss"] for epoch in trained.history] == [2, 1, 2, 3]
    assert trained.history[-1]["train_l1"] > 0
    best = train(Fitting(examples, options, tmp_path / "best", until=2))
    for ours, theirs in zip(trained.network.state_dict().values(), best.network.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    same(train(Fitting(examples, options, tmp_path / "whole")), trained)


def test_a_loss_that_is_no_number_ends_with_advice(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MapLoss, "forward", lambda self, logits, maps: {"dice": logits.sum() * float("nan")})
    with pytest.raises(DiatomError, match="lower learning rate"):
        train(Fitting(examples, MAPS, tmp_path))


def test_out_of_memory_halves_the_batch_and_says_so(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = SemanticModule.losses
    messages: list[str] = []

    def small_memory(self: SemanticModule, network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> object:
        if len(batch["images"]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return measured(self, network, batch)

    monkeypatch.setattr(SemanticModule, "losses", small_memory)
    options = MAPS.model_copy(update={"batch": 4, "epochs": 1, "architecture": MAPS.architecture})
    limit = 2
    trained = train(
        Fitting(examples, options, tmp_path / "a"),
        ProgressMonitor(lambda progress: messages.append(progress.message)),
    )
    standardized, smaller = [message for message in messages if message]
    assert standardized.startswith("Standardized by the mean ")
    assert smaller == "Out of memory: continuing with 2 crops at a time."
    assert trained.history[0]["val_loss"] > 0
    limit = 0
    with pytest.raises(DiatomError, match="Not even one crop"):
        train(Fitting(examples, options, tmp_path / "b"))


def test_a_disk_without_room_is_told_of_and_the_finished_epochs_are_kept(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = pl.Trainer.save_checkpoint

    def full(trainer: pl.Trainer, path: Path, *rest: object) -> None:
        save(trainer, path)
        if trainer.current_epoch == 1:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pl.Trainer, "save_checkpoint", full)
        with pytest.raises(OutputError, match=r"is the disk full\? .* finished epochs are kept"):
            train(Fitting(examples, MAPS, tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == [CHECKPOINT]
    same(train(Fitting(examples, MAPS, tmp_path / "run")), train(Fitting(examples, MAPS, tmp_path / "whole")))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OutputError, match="has room for 0 MB"):
        train(Fitting(examples, MAPS, tmp_path / "other"))


def test_training_refuses_what_it_cannot_do(tmp_path: Path, examples: list[Example]) -> None:
    with pytest.raises(InputError, match="no training images"):
        train(Fitting([], MAPS, tmp_path))
    with pytest.raises(InputError, match="class 'b' has no specimen"):
        train(Fitting(examples, MAPS.model_copy(update={"classes": ("a", "b")}), tmp_path))
    (tmp_path / CHECKPOINT).write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"last\.ckpt"):
        train(Fitting(examples, MAPS, tmp_path))
    torch.save({"options": MAPS.model_copy(update={"rate": 0.5}).model_dump_json()}, tmp_path / CHECKPOINT)
    with pytest.raises(InputError, match="other options"):
        train(Fitting(examples, MAPS, tmp_path))
    with pytest.raises(ValueError, match="needs 2 numbers"):
        LearningOptions(classes=("a",), loss=LossOptions(class_weights=(1.0,)))
    with pytest.raises(ValueError, match="above 0"):
        LossOptions(cross_entropy=0, dice=0, focal=0)


def test_groups_stay_together(examples: list[Example]) -> None:
    many = [Example(Path(f"{k}.png"), (), (), (), group="abc"[k % 3]) for k in range(9)]
    train_on, validate_on = dataloaders.held_out(many)
    assert (len(train_on), len(validate_on)) == (6, 3)
    assert not {item.group for item in train_on} & {item.group for item in validate_on}
    assert dataloaders.held_out(examples[:1]) == (examples[:1], examples[:1])


def test_losses_are_weighted_and_small_for_the_truth() -> None:
    loss = MapLoss(MAPS.model_copy(update={"loss": LossOptions(focal=0.5, class_weights=(1.0, 3.0))}))
    maps = torch.zeros((1, 8, 8), dtype=torch.long)
    maps[:, 2:6, 2:6] = 1
    right = torch.stack([10.0 - 20 * maps, 20.0 * maps - 10], dim=1)
    parts, wrong = loss(right, maps), loss(-right, maps)
    assert set(parts) == {"cross_entropy", "dice", "focal"}
    for name, value in parts.items():
        assert value < 0.01 < wrong[name]


def test_depthwise_convolutions_leave_autocast_and_copies_are_their_own() -> None:
    import copy

    layer = torch.nn.Conv2d(4, 4, 3, groups=4)
    network = torch.nn.Sequential(layer)
    precision.keep_depthwise_single(network)
    copied = copy.deepcopy(network)
    with torch.no_grad():
        copied[0].weight.zero_()
        copied[0].bias.zero_()
    x = torch.ones(1, 4, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(x).dtype == torch.float32
        assert not copied(x).any()
    assert network(x).any()
    assert precision.precision(MAPS.model_copy(update={"precision": "single"}), "cuda") == "32-true"


def test_weights_of_another_network_are_refused(tmp_path: Path, examples: list[Example]) -> None:
    path = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="EfficientNet-Lite0"):
        read_lite0(path)
    path.write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_lite0(path)
    with pytest.raises(DiatomError, match="None of the weights"):
        train(Fitting(examples, MAPS, tmp_path / "run", start={"a": torch.zeros(3)}))
