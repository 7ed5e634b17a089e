"""Architectures by their names: which there are, what they give, and that tiles of any size are looked at alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_diatom import engines
from napari_diatom.core.errors import ModelError
from napari_diatom.engines import encoders, map_pairs, networks, openvino_export
from napari_diatom.engines.activation_functions import MAKERS
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.network_builder import inference_network
from napari_diatom.engines.third_party import openvino_core
from napari_diatom.models.architecture_names import (
    EXAMPLES,
    FAMILIES,
    OF_ENGINES,
    YOLO_NAMES,
    NameParts,
    engine_of,
    name_parts,
    tile_warning,
)
from napari_diatom.models.card import ModelFacts, task_of
from napari_diatom.tiling.tiles import Tile

TINY = "tu-test_efficientnet"
MAPS = [
    f"unet/{TINY}/32",
    f"unetplusplus/{TINY}/32",
    f"fpn/{TINY}/64",
    f"pspnet/{TINY}/32",
    f"linknet/{TINY}",
    f"deeplabv3/{TINY}/16",
    f"deeplabv3plus/{TINY}/16",
    f"segformer/{TINY}/16",
    "fcn/resnet50",
    "segnet/vgg11_bn",
]
BOXES = [f"{family}/test_efficientnet/64" for family in ("ssd", "ssdlite", "retinanet", "fcos", "fasterrcnn")]


def model(folder: Path, architecture: str, classes: tuple[str, ...] = ("a", "b"), **entries: Any) -> Any:
    torch.manual_seed(0)
    network = networks.build(architecture, len(classes), activation_function=entries.get("activation_function"))
    engine = engine_of(architecture)
    facts = ModelFacts(
        name="tiny",
        version="1",
        task=task_of(engine, architecture),
        engine=engine,
        architecture=architecture,
        classes=classes,
        tile_size=128,
        **entries,
    )
    return write_model(folder / "tiny", network, facts)


def test_names_have_parts_and_an_engine() -> None:
    assert name_parts("unet/resnet34") == NameParts("unet", "resnet34", 256)
    assert name_parts("unet/tu-resnet34/64") == NameParts("unet", "tu-resnet34", 64)
    assert name_parts("maskrcnn/resnet34/64/fine") == NameParts("maskrcnn", "resnet34", 64, fine=True)
    assert name_parts("classifier/vgg16") == NameParts("classifier", "vgg16", 224)
    for unknown in ("unet", "unet/", "unet/../x", "unet/resnet34/0", "segnet/resnet18", "linknet/resnet18/64", "x/y"):
        assert name_parts(unknown) is None
    for engine, name in EXAMPLES.items():
        assert engine_of(name) == engine
    for family, facts in FAMILIES.items():
        encoder = {"own": "vgg16_bn", "torchvision": "resnet50"}.get(facts.encoders, "resnet18")
        assert OF_ENGINES[facts.engine].fullmatch(f"{family}/{encoder}")
        assert engine_of(f"{family}/{encoder}") == facts.engine


def test_every_name_of_the_libraries_can_be_written() -> None:
    for family in ("classifier", "unet", "fcn", "segnet", "fasterrcnn"):
        assert all(name_parts(f"{family}/{encoder}") for encoder in encoders.encoders_of(family))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unett/resnet34", "did you mean unet/resnet34"),
        ("unet/resnet43", "did you mean .*resnet34"),
        ("unet/convnext_tiny", "did you mean tu-convnext_tiny"),
        ("classifier/resnet81", "did you mean .*resnet18"),
        ("retinanet/resnet81", "did you mean .*resnet18"),
        ("fcn/resnet18", "its encoders are resnet50"),
        ("segnet/resnet18", "vgg11_bn"),
        ("yolo11q", "yolo11"),
        ("yolov5nn", "yolov5n"),
        ("fpn/resnet18/48", "a multiple of 64"),
        ("fcos/resnet18/48", "a multiple of 64"),
        ("fasterrcnn/vit_tiny_patch16_224", "are needed|no pyramid"),
        ("classifier/alexnet/32", "sides of 63"),
        ("deeplabv3/vgg16", "DeepLabV3 cannot be built on vgg16"),
    ],
)
def test_unknown_and_unfit_names_are_told_with_what_there_is(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        networks.build(name, 2)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pspnet/resnet18", "in PSPNet the features are averaged over all of the tile, so"),
        ("fcos/resnet18/64", "in FCOS the features are normalized over all of the tile"),
        ("segformer/mit_b0", "the encoder mit_b0 looks at all of the tile at once, so what is found depends"),
        ("fpn/tu-efficientnet_b0", "(group norm), and the encoder tu-efficientnet_b0 looks at all of the tile"),
        ("unet/se_resnet50", "the encoder se_resnet50 looks at all of the tile"),
        ("ssdlite/mobilenetv3_large_100", "the encoder mobilenetv3_large_100 looks at all of the tile"),
        ("unet/efficientnet-b0", "the encoder efficientnet-b0"),
        ("deeplabv3plus/tu-tf_efficientnet_lite0/128", ""),
        ("unet/mobilenet_v2", ""),
        ("unet/senseless", ""),
        ("classifier/vit_tiny_patch16_224", ""),
        ("yolo11n-obb", ""),
    ],
)
def test_what_depends_on_the_whole_tile_is_told_by_name(name: str, told: str) -> None:
    found = tile_warning(name)
    assert told in found
    assert bool(found) == bool(told)


def test_names_are_checked_without_torch() -> None:
    code = "import sys, napari_diatom.models.card, napari_diatom.engines.architectures; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("architecture", MAPS)
def test_a_map_is_enlarged_evenly_and_moves_with_the_picture(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = networks.build(architecture, 1).eval()
    asked: list[Any] = []
    interpolate = torch.nn.functional.interpolate

    def watched(*arguments: Any, **options: Any) -> torch.Tensor:
        asked.append(options.get("align_corners"))
        return interpolate(*arguments, **options)

    monkeypatch.setattr(torch.nn.functional, "interpolate", watched)
    tiles = 6 if architecture.startswith(("fcn", "segnet")) else 12
    pattern = torch.rand(1, 3, 64, 64).tile(1, 1, tiles, tiles)
    with torch.inference_mode():
        found = network(pattern)[0]
    assert found.shape == (2, 64 * tiles, 64 * tiles)
    middle = 64 * (tiles // 2 - 1)
    inner = found[:, middle : middle + 128, middle : middle + 128]
    assert (inner[:, :64] - inner[:, 64:]).abs().max() < 0.1 * inner.std()
    assert (inner[:, :, :64] - inner[:, :, 64:]).abs().max() < 0.1 * inner.std()
    assert True not in asked


@pytest.mark.filterwarnings("ignore")  # of the converter, which runs in a process of its own elsewhere
@pytest.mark.parametrize("architecture", MAPS)
def test_both_backends_give_the_same_map(architecture: str, tmp_path: Path) -> None:
    folder = model(tmp_path, architecture)
    openvino_export.convert(folder.folder, tmp_path / "graph")
    core = openvino_core()
    graph = core.read_model(tmp_path / "graph" / "network.xml")
    network = inference_network(folder)
    rng = np.random.default_rng(0)
    for height, width in ((64, 64), (128, 64)):
        pixels = rng.integers(0, 255, (1, height, width, 3), dtype=np.uint8)
        graph.reshape([1, height, width, 3])
        found = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pixels)[0]
        with torch.inference_mode():
            expected = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
        assert expected.shape == (1, 3, height, width)
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_page_says_which_families_and_encoders_go_together() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "architectures.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    said = {line.split("|")[1].strip(" `"): line for line in lines if line.startswith("| `")}
    # The others take minutes: ``python -m napari_diatom.engines.map_pairs`` tries all.
    header, _, *rows = map_pairs.pair_table(["resnet18", "vgg11"])
    assert header in lines
    for row in rows:
        assert row == said[row.split("|")[1].strip(" `")]


def test_segnet_puts_values_back_where_they_were() -> None:
    from napari_diatom.engines.segnet import unpooled

    values = torch.rand(2, 3, 8, 6)
    pooled, places = torch.nn.functional.max_pool2d(values, 2, return_indices=True)
    expected = torch.nn.functional.max_unpool2d(pooled, places, 2)
    assert torch.equal(unpooled(pooled, places), expected)


@pytest.mark.parametrize("architecture", BOXES)
def test_anchors_are_the_same_in_crops_and_tiles(architecture: str) -> None:
    from torchvision.models.detection.image_list import ImageList

    network: Any = networks.build(architecture, 2).eval()
    generator = network.rpn.anchor_generator if hasattr(network, "rpn") else network.anchor_generator
    seen = []
    for side in (640, 1024):
        levels = list(network.backbone(torch.zeros(1, 3, side, side)).values())
        whole = generator(ImageList(torch.zeros(1, 3, side, side), [(side, side)]), levels)[0]
        seen.append({tuple(anchor) for anchor in whole.tolist()})
    assert len(seen[0]) > 1000
    assert seen[0] < seen[1]


@pytest.mark.parametrize("architecture", BOXES)
def test_boxes_come_from_tiles_of_any_size(architecture: str, tmp_path: Path) -> None:
    engine = engines.load(model(tmp_path, architecture), "cpu")
    rng = np.random.default_rng(1)
    shapes = [(128, 128), (40, 70), (40, 70)]
    tiles = [Tile(k, rng.integers(0, 255, (*shape, 3), dtype=np.uint8)) for k, shape in enumerate(shapes)]
    tiles[2] = Tile(2, tiles[1].pixels)
    found = list(engine.predict(iter(tiles), 0.0))  # type: ignore[union-attr]
    assert [index for index, _ in found] == [0, 1, 2]
    assert sum(len(some) for _, some in found) > 0
    for _, some in found:
        assert some.masks is None
        assert set(some.class_ids.tolist()) <= {0, 1}
        assert np.isin(np.degrees(some.boxes[:, 4]).round().astype(int), (0, -90)).all()
    np.testing.assert_array_equal(found[1][1].boxes, found[2][1].boxes)
    assert all((some.scores >= 0.9).all() for _, some in engine.predict(iter(tiles), 0.9))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "architecture",
    [
        "classifier/resnet18/64",
        "classifier/alexnet/64",
        "classifier/test_vit/64",
        "classifier/mobilenetv3_small_050/64",
        "classifier/vgg11/32",
    ],
)
def test_classifiers_have_timm_s_names(architecture: str) -> None:
    network = networks.build(architecture, 3).eval()
    side = int(architecture.rpartition("/")[2])
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 3)


def test_all_sizes_of_yolo_can_be_named_and_the_course_s_can_be_built() -> None:
    assert {f"yolov5{size}" for size in "nsmlx"} <= set(YOLO_NAMES)
    for name in ("yolov5n", "yolo26n", "yolo26n-obb", "yolo11n"):
        assert networks.build(name, 2).state_dict()


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        *((architecture, name) for architecture in (MAPS[0], "classifier/test_efficientnet/64") for name in MAKERS),
        *(("yolo11n", name) for name in ("relu", "prelu")),
    ],
)
def test_an_activation_function_is_chosen_by_name_and_kept_in_the_card(
    architecture: str, name: Any, tmp_path: Path
) -> None:
    folder = model(tmp_path, architecture, activation_function=name)
    assert folder.card.activation_function == name
    kind = type(MAKERS[name]())
    network = networks.network_of_card(folder.card)()
    assert sum(isinstance(layer, kind) for layer in network.modules()) >= 1
    usual = networks.build(architecture, 2)
    kept = sum(isinstance(layer, torch.nn.ReLU) for layer in getattr(usual, "decoder", usual).modules())
    assert (
        kept == 0
        or name == "relu"
        or sum(isinstance(layer, torch.nn.ReLU) for layer in getattr(network, "decoder", network).modules()) < kept
    )
    read = engines.load_classifier if architecture.startswith("classifier") else engines.load
    if name == "prelu":
        assert read(folder, "cpu").card.activation_function == "prelu"


def test_networks_with_their_own_activation_refuse_another(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="have their own; leave it out"):
        model(tmp_path, BOXES[0], activation_function="tanh")
