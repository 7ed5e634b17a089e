"""What a network computes with: single precision, 8 bits where the card proves them, or what is asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diatom_training.quantization.graph import quantized_graph
from diatom_training.quantization.loss import corner_shifts
from diatom_training.recipes import quantized as quantized_recipe
from napari_diatom import engines
from napari_diatom.cli import app as cli
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.engines import yolo_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models import library
from napari_diatom.models.card import ModelCard, ModelFacts
from napari_diatom.models.library import ModelFolder
from napari_diatom.models.quantization import GRAPH_FILES, graph_digest

SIDE = 128


def pixels(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 255, (SIDE // 16, SIDE // 16, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A network with random weights, and the graph in 8 bits that NNCF makes of it."""
    pytest.importorskip("nncf")
    home = tmp_path_factory.mktemp("quantized")
    torch.manual_seed(3)
    network = yolo_net.build("yolo11n-obb", 1)
    for branch in network.model[-1].cv3:
        torch.nn.init.normal_(branch[-1].weight, std=2.0)
        branch[-1].bias.data[:] = 0.5
    model = write_model(
        home / "tiny",
        network,
        ModelFacts(
            name="tiny",
            version="0",
            task="oriented-boxes",
            engine="yolo",
            architecture="yolo11n-obb",
            classes=("diatom",),
            tile_size=SIDE,
            licence="AGPL-3.0-or-later",
        ),
    )
    sizes = ["--calibration", "2", "--known", "2", "--side", str(SIDE)]
    folders = ["--model", str(model.folder), "--work", str(home / "work"), "--out", str(home / "out")]
    assert quantized_recipe.main([*folders, *sizes]) == 0
    return library.resolve_model(home / "out" / "tiny")


def copied(model: ModelFolder, folder: Path, **facts: object) -> ModelFolder:
    """Return a copy of a model whose card says other things of its graph."""
    shutil.copytree(model.folder, folder)
    assert model.card.quantized is not None
    card = model.card.model_copy(update={"quantized": model.card.quantized.model_copy(update=facts)})
    card.write(folder)
    return ModelFolder(ModelCard.read(folder), folder)


def raw(model: ModelFolder, threads: int = 1, precision: str = "auto") -> np.ndarray:
    engine = engines.load(model, "cpu", threads, precision)
    return np.stack(list(engine.backend.run([pixels(7), pixels(8)])))


def test_a_model_that_is_there_is_not_written_over(
    quantized: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(quantized.folder), "--work", str(tmp_path), "--out", str(quantized.folder.parent)]
    assert quantized_recipe.main(arguments) == 2
    assert "holds a model already" in capsys.readouterr().err


def test_the_card_says_what_was_measured(quantized: ModelFolder) -> None:
    facts = ModelCard.read(quantized.folder).quantized
    assert facts == quantized.card.quantized
    assert facts.specimens > 0
    assert facts.sha256 == graph_digest(quantized.folder)


def test_8_bits_compute_nearly_the_same_whatever_the_threads(quantized: ModelFolder) -> None:
    single, whole = raw(quantized, precision="single"), raw(quantized, precision="int8")
    assert single.shape == whole.shape
    assert 0 < np.abs(single - whole).mean() < 0.1 * np.abs(single).mean()
    assert raw(quantized, 3, "int8").tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("facts", "used"),
    [
        ({"ap50_loss": 0.005, "box_shift_px": 0.49, "specimens": 9}, "int8"),
        ({"ap50_loss": 0.006, "box_shift_px": 0.1, "specimens": 9}, "single"),
        ({"ap50_loss": 0.0, "box_shift_px": 0.5, "specimens": 9}, "single"),
        ({"ap50_loss": 0.0, "box_shift_px": 0.0, "specimens": 0}, "single"),
    ],
)
def test_8_bits_are_used_unasked_only_where_the_card_proves_them(
    quantized: ModelFolder, tmp_path: Path, facts: dict[str, float], used: str
) -> None:
    model = copied(quantized, tmp_path / "model", **facts)
    assert engines.load(model, "cpu").precision == used
    assert engines.load(model, "cpu", precision="single").precision == "single"


def test_a_count_says_what_it_was_computed_with(
    quantized: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(pixels(5)).save(tmp_path / "field.png")
    count = ["count", str(tmp_path / "field.png"), "--model", str(quantized.folder), "--no-overlays", "-o"]
    for precision in ("int8", "single"):
        out = tmp_path / precision
        assert cli.main([*count, str(out), "--precision", precision]) == 0
        assert json.loads((out / "run.json").read_text())["model"]["precision"] == precision
    (out / "run.json").unlink()
    assert cli.main([*count, str(out), "--precision", "int8", "--resume"]) != 0
    assert "precision" in capsys.readouterr().err


def test_what_cannot_be_had_is_refused(quantized: ModelFolder, tmp_path: Path) -> None:
    plain = ModelFolder(quantized.card.model_copy(update={"quantized": None}), quantized.folder)
    with pytest.raises(ModelError, match="no graph in 8 bits; choose auto or single"):
        engines.load(plain, "cpu", precision="int8")
    with pytest.raises(ModelError, match="no precision 'half'"):
        engines.load(plain, "cpu", precision="half")
    with pytest.raises(ModelError, match="engine maskrcnn; choose auto or single"):
        engines.load(library.resolve_model("diatom-maskrcnn"), "cpu", precision="int8")
    with pytest.raises(InputError, match="no tiles"):
        quantized_graph(plain, [])


def test_the_graph_travels_with_its_model(
    quantized: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(library, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    library.pack_model(quantized, tmp_path / "tiny.diatom-model")
    unpacked = library.resolve_model(tmp_path / "tiny.diatom-model")
    installed = library.install(unpacked)
    for model in (unpacked, installed):
        model.verify()
        assert graph_digest(model.folder) == quantized.card.quantized.sha256
        assert raw(model, precision="int8").tobytes() == raw(quantized, precision="int8").tobytes()


@pytest.mark.parametrize("name", GRAPH_FILES)
def test_a_graph_that_was_changed_or_is_gone_is_refused(quantized: ModelFolder, tmp_path: Path, name: str) -> None:
    changed, gone = (copied(quantized, tmp_path / folder) for folder in ("changed", "gone"))
    content = bytearray((changed.folder / name).read_bytes())
    content[-3] ^= 1
    (changed.folder / name).write_bytes(bytes(content))
    (gone.folder / name).unlink()
    for model, fault in ((changed, "damaged or was changed"), (gone, "does not exist")):
        with pytest.raises(ModelError, match=fault):
            engines.load(model, "cpu")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("operation", "operations that no network here has: NonZero"), ("inputs", "2 inputs"), ("text", "cannot be read")],
)
def test_graphs_that_no_network_here_has_are_refused(
    quantized: ModelFolder, tmp_path: Path, kind: str, fault: str
) -> None:
    import openvino
    from openvino import opset13 as ops

    model = copied(quantized, tmp_path / "model")
    tile = ops.parameter([1, 64, 64, 3], np.uint8)
    if kind == "operation":
        graph = openvino.Model([ops.non_zero(tile)], [tile])
    else:
        other = ops.parameter([1, 64, 64, 3], np.uint8)
        graph = openvino.Model([ops.add(tile, other)], [tile, other])
    openvino.save_model(graph, model.folder / GRAPH_FILES[0])
    if kind == "text":
        model.graph.write_text("<net name='x'")
    facts = model.card.quantized.model_copy(update={"sha256": graph_digest(model.folder)})
    forged = ModelFolder(model.card.model_copy(update={"quantized": facts}), model.folder)
    with pytest.raises(ModelError, match=fault):
        engines.load(forged, "cpu", precision="int8")


def test_corners_are_compared_whichever_comes_first() -> None:
    one = Detections.of([[50.0, 50.0, 40.0, 40.0, 0.0], [150.0, 50.0, 60.0, 10.0, 0.3]])
    other = Detections.of([[53.0, 54.0, 40.0, 40.0, np.pi / 2], [150.0, 50.0, 60.0, 10.0, 0.3 - np.pi]])
    np.testing.assert_allclose(corner_shifts(one, other), [5.0, 0.0], atol=1e-4)
