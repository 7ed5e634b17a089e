"""Starts from files of timm, torchvision and segmentation-models, from ImageNet, and from chance."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from diatom_training.finetune import initial_weights
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.finetune.transfer_report import compare_start
from diatom_training.learning.library_states import fit_state
from diatom_training.learning.torchvision_names import names_in_timm
from helpers.tiny import configured, draw_slides, train_here
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines import networks
from napari_diatom.models import library


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    return draw_slides(tmp_path)


def timm_state(name: str, **options: Any) -> dict[str, torch.Tensor]:
    import timm

    torch.manual_seed(3)
    state: dict[str, torch.Tensor] = timm.create_model(name, pretrained=False, **options).state_dict()
    return state


def torchvision_state(name: str, **options: Any) -> dict[str, torch.Tensor]:
    import torchvision

    torch.manual_seed(3)
    state: dict[str, torch.Tensor] = torchvision.models.get_model(name, weights=None, **options).state_dict()
    return state


def smp_state(name: str, kind: str = "Unet") -> dict[str, torch.Tensor]:
    import segmentation_models_pytorch as smp

    torch.manual_seed(3)
    state: dict[str, torch.Tensor] = getattr(smp, kind)(name, encoder_weights=None, classes=5).state_dict()
    return state


def torchvision_vit_state() -> dict[str, torch.Tensor]:
    from torchvision.models import VisionTransformer

    torch.manual_seed(3)
    return VisionTransformer(224, 16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768).state_dict()


CASES = [
    ("classes", "classifier/test_efficientnet/64", lambda: timm_state("test_efficientnet"), "encoder."),
    ("classes", "classifier/test_vit/160", lambda: timm_state("test_vit"), "encoder."),
    ("classes", "classifier/vit_tiny_patch16_224/224", torchvision_vit_state, "encoder."),
    ("classes", "classifier/alexnet/64", lambda: torchvision_state("alexnet"), "encoder."),
    ("semantic", "unet/tu-test_efficientnet/16", lambda: timm_state("test_efficientnet"), "encoder.model."),
    ("semantic", "unet/resnet18/256", lambda: torchvision_state("resnet18"), "encoder."),
    ("semantic", "unet/resnet18/256", lambda: smp_state("resnet18"), ""),
    ("semantic", "segnet/vgg11_bn", lambda: torchvision_state("vgg11_bn"), "encoder."),
    ("boxes", "retinanet/vgg11/32", lambda: timm_state("vgg11"), "backbone.body."),
    ("instances", "maskrcnn/resnet18/8", lambda: torchvision_state("resnet18"), "backbone.body."),
]


@pytest.mark.parametrize(("task", "architecture", "state", "place"), CASES)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_library_s_state_is_a_start(
    task: str, architecture: str, state: Any, place: str, suffix: str, slides: Path
) -> None:
    tensors, path = state(), slides.parent / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    else:
        torch.save({"model": tensors, "epoch": 3}, path)
    found = initial_weights.resolve(configured(slides, task, start=str(path), architecture=architecture))
    own = networks.build(architecture, 2).state_dict()
    wanted = [name for name in own if name.startswith(place) and not name.endswith("num_batches_tracked")]
    last = ("segmentation_head.",)
    assert found.weights is not None
    assert {name for name in wanted if not name.startswith(last)} <= set(found.weights)
    assert all(
        any(value.shape == other.shape and torch.equal(value, other.float()) for other in tensors.values())
        for value in found.weights.values()
        if value.is_floating_point()
    )
    report = compare_start(found, ("needle", "square"))
    assert len(report.taken) + len(report.by_chance) == len(own)
    assert "of the network come from weights" in report.sentence()


@pytest.mark.parametrize(
    "kind", ["Unet", "UnetPlusPlus", "FPN", "PSPNet", "Linknet", "DeepLabV3", "DeepLabV3Plus", "Segformer"]
)
def test_all_but_the_last_layer_of_segmentation_models_network_is_taken(kind: str) -> None:
    name = f"{kind.lower()}/tu-test_efficientnet"
    network = networks.build(name, 2)
    state = smp_state("tu-test_efficientnet", kind)
    found = fit_state(state, network, name)
    assert set(network.state_dict()) - set(found.tensors) == set(found.unused)
    assert {last.partition(".")[0] for last in found.unused} == {"segmentation_head"}


@pytest.mark.parametrize(
    ("name", "ours", "kept"),
    [
        ("fasterrcnn_resnet50_fpn", "fasterrcnn/resnet50", "backbone.fpn."),
        ("fcn_resnet50", "fcn/resnet50", "classifier.0."),
    ],
)
def test_a_whole_network_of_torchvision_is_a_start(name: str, ours: str, kept: str) -> None:
    network = networks.build(ours, 2)
    found = fit_state(torchvision_state(name, weights_backbone=None), network, ours)
    wanted = {own for own in network.state_dict() if own.startswith(kept) and not own.endswith("tracked")}
    assert wanted
    assert wanted <= set(found.tensors)


def test_a_linear_layer_of_the_file_is_a_convolution_of_one_pixel_of_the_network() -> None:
    network = networks.build("classifier/mobilenetv3_small_100/64", 2)
    import torchvision

    theirs = torchvision.models.mobilenet_v3_small(weights=None)
    found = fit_state(theirs.state_dict(), network, "classifier/mobilenetv3_small_100/64")
    wanted = {name for name in network.state_dict() if name.startswith("encoder.") and not name.endswith("tracked")}
    assert wanted <= set(found.tensors)
    assert torch.equal(found.tensors["encoder.conv_head.weight"].flatten(1), theirs.state_dict()["classifier.0.weight"])


def _pairs() -> dict[str, tuple[torch.nn.Module, torch.nn.Module]]:
    """Small networks of torchvision and the same ones of timm, without what gives classes."""
    from timm.models import convnext, swin_transformer, vision_transformer
    from torchvision import models
    from torchvision.models.convnext import CNBlockConfig

    torch.manual_seed(3)
    vit = models.VisionTransformer(32, 16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64)
    vit.heads = torch.nn.Identity()
    swin = models.SwinTransformer([4, 4], 32, [2, 2], [2, 4], [4, 4], stochastic_depth_prob=0.0)
    swin.head = torch.nn.Identity()
    widths = [CNBlockConfig(8 * 2**k, 16 * 2**k if k < 3 else None, 1) for k in range(4)]
    dense = models.ConvNeXt(widths)
    dense.classifier[2] = torch.nn.Identity()
    return {
        "ViT": (
            vit,
            vision_transformer.VisionTransformer(
                32, 16, depth=2, num_heads=2, embed_dim=32, mlp_ratio=2, num_classes=0
            ),
        ),
        "Swin": (
            swin,
            swin_transformer.SwinTransformer(
                32, embed_dim=32, depths=(2, 2), num_heads=(2, 4), window_size=4, num_classes=0
            ),
        ),
        "ConvNeXt": (dense, convnext.ConvNeXt(depths=(1,) * 4, dims=(8, 16, 32, 64), num_classes=0)),
    }


@pytest.mark.parametrize("kind", ["ViT", "Swin", "ConvNeXt"])
def test_torchvision_s_network_under_timm_s_names_gives_the_same_numbers(kind: str) -> None:
    theirs, ours = _pairs()[kind]
    state = theirs.state_dict()
    if kind == "ConvNeXt":
        # As it begins, hardly anything passes through its blocks.
        state = {name: value * 1e5 if name.endswith("layer_scale") else value for name, value in state.items()}
        theirs.load_state_dict(state)
    own = ours.state_dict()
    renamed = {name: state[before] for name, before in names_in_timm(state).items() if name in own}
    assert {name for name in own if not name.endswith("relative_position_index")} <= set(renamed)
    ours.load_state_dict({name: renamed.get(name, value).reshape(value.shape) for name, value in own.items()})
    pictures = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(theirs.eval()(pictures), ours.eval()(pictures), atol=1e-5)


def test_an_encoder_s_own_file_by_other_names_is_taken_by_its_order(slides: Path) -> None:
    state = timm_state("test_efficientnet")
    other = {f"layer_{k}": value for k, value in enumerate(state.values())}
    torch.save(other, slides.parent / "x.pth")
    config = configured(
        slides, "classes", start=str(slides.parent / "x.pth"), architecture="classifier/test_efficientnet/64"
    )
    found = initial_weights.resolve(config)
    assert found.weights is not None
    assert torch.equal(found.weights["encoder.conv_stem.weight"], state["conv_stem.weight"])


def test_a_file_of_another_network_is_refused(slides: Path) -> None:
    torch.save(timm_state("test_vit"), slides.parent / "x.pt")
    config = configured(slides, "semantic", start=str(slides.parent / "x.pt"), architecture="unet/resnet18")
    with pytest.raises(InputError, match=r"x\.pt cannot be used as the start: the file has 0 of the .* tensors"):
        initial_weights.resolve(config)
    (slides.parent / "y.safetensors").write_bytes(b"nothing")
    config = configured(slides, "semantic", start=str(slides.parent / "y.safetensors"), architecture="unet/resnet18")
    with pytest.raises(InputError, match=r"y\.safetensors"):
        initial_weights.resolve(config)


def test_what_was_taken_over_is_said_and_listed(slides: Path, tmp_path: Path) -> None:
    torch.save(timm_state("test_efficientnet"), tmp_path / "x.pth")
    config = configured(slides, "classes", start=str(tmp_path / "x.pth"), learning={"epochs": 1})
    run = RunFolder.create(tmp_path / "run", config)
    said: list[Progress] = []
    assert train_here(run, ProgressMonitor(said.append)).stage == "finished"
    sentence = next(progress.message for progress in said if "of the network come from" in progress.message)
    assert "x.pth" in sentence
    assert "begin by chance, in head" in sentence
    assert "have no place, such as classifier.weight, classifier.bias" in sentence
    with (run / "transfer.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["tensor"]: row["begins"] for row in csv.DictReader(file)}
    assert rows["encoder.conv_stem.weight"] == "taken over"
    assert rows["head.weight"] == "by chance"
    assert rows["classifier.weight"] == "not used"


def test_a_network_of_torchvision_is_trained_and_counted_with_from_the_command_line(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learning = {"epochs": 1, "proposals": 16}
    run = RunFolder.create(
        tmp_path / "run", configured(slides, "boxes", architecture="fasterrcnn/test_efficientnet/8", learning=learning)
    )
    assert train_here(run).stage == "finished"
    card = library.resolve_model(run / "model").card
    assert (card.engine, card.task, card.std != (1.0, 1.0, 1.0)) == ("boxes", "boxes", True)
    picture, out = slides.parent / "images" / "s0_0.png", tmp_path / "out"
    assert cli.main(["count", str(picture), "-o", str(out), "--model", str(run / "model")]) == 0
    assert (out / "specimens.csv").is_file()
    with pytest.raises(InputError, match="dropout has no effect in ssd/resnet18"):
        configured(slides, "boxes", architecture="ssd/resnet18", learning={"dropout": 0.4})
    with pytest.raises(InputError, match="activation_function has no effect in ssd/resnet18"):
        configured(slides, "boxes", architecture="ssd/resnet18", learning={"activation_function": "tanh"})


IMAGENET = [
    ("classes", "classifier/test_efficientnet/64", "timm"),
    ("semantic", "unet/resnet18", "segmentation-models"),
    ("semantic", "segnet/vgg11_bn", "torchvision"),
    ("boxes", "fasterrcnn/resnet18/8", "timm"),
]


@pytest.mark.parametrize(("task", "architecture", "source"), IMAGENET)
def test_imagenet_weights_are_what_the_library_publishes(
    task: str, architecture: str, source: str, slides: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "home" / "models"))
    recorded: dict[str, torch.Tensor]
    if source == "timm":
        recorded = timm_state(architecture.split("/")[1])
        monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(recorded))
    elif source == "torchvision":
        recorded = torchvision_state("vgg11_bn")
        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: dict(recorded))
    else:
        import segmentation_models_pytorch as smp

        torch.manual_seed(3)
        recorded = smp.encoders.get_encoder("resnet18").state_dict()
        save_file(recorded, tmp_path / "model.safetensors")
        monkeypatch.setattr(
            "segmentation_models_pytorch.encoders.hf_hub_download", lambda *_, **__: str(tmp_path / "model.safetensors")
        )
    found = initial_weights.resolve(configured(slides, task, start="imagenet", architecture=architecture))
    assert found.weights is not None
    assert "trained on ImageNet" in found.text
    assert len(found.weights) > 15
    assert all(
        any(value.shape == other.shape and torch.equal(value, other) for other in recorded.values())
        for value in found.weights.values()
    )


def test_without_a_network_the_message_says_which_file_to_lay_where(
    slides: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "home" / "models"))

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fail)
    config = configured(slides, "classes", start="imagenet", architecture="classifier/test_efficientnet/64")
    with pytest.raises(ModelError, match="cannot be downloaded: no network") as caught:
        initial_weights.resolve(config)
    target = tmp_path / "home" / "backbones" / "test_efficientnet.safetensors"
    assert f"save it as {target}" in str(caught.value)
    assert "model.safetensors" in str(caught.value)
    target.parent.mkdir(parents=True)
    state = timm_state("test_efficientnet")
    save_file(state, target)
    found = initial_weights.resolve(config)
    assert found.weights is not None
    assert torch.equal(found.weights["encoder.conv_stem.weight"], state["conv_stem.weight"])
    assert library.user_folder() == tmp_path / "home" / "models"


def test_an_initialization_is_for_a_start_from_scratch(slides: Path) -> None:
    config = configured(slides, learning={"initialization": "he"})
    assert config.learning.initialization == "he"
    with pytest.raises(InputError, match=r"initialization has no effect here.*use start: scratch"):
        TrainConfig.of(data=slides, task="semantic", learning={"initialization": "xavier"})


def test_yolo_and_unknown_names_are_told(slides: Path) -> None:
    with pytest.raises(InputError, match="YOLO cannot start from an ImageNet backbone"):
        TrainConfig.of(data=slides, task="boxes", start="imagenet")
    assert TrainConfig.of(data=slides, task="boxes", start="imagenet", architecture="ssd/resnet18").start == "imagenet"
    with pytest.raises(InputError, match="did you mean unet/resnet18"):
        initial_weights.resolve(configured(slides, architecture="unett/resnet18"))
    with pytest.raises(InputError, match="network for boxes, and the task is semantic"):
        initial_weights.resolve(configured(slides, architecture="ssd/resnet18"))
