import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from diatom_training.recipes.ultralytics_export import to_ultralytics
from napari_diatom import engines
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.engines import openvino_cache, yolo_net
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.weights import read_weights
from napari_diatom.engines.yolo import pad
from napari_diatom.engines.yolo_checkpoint import import_checkpoint
from napari_diatom.engines.yolo_decode import decode
from napari_diatom.models.card import ModelFacts
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.tiles import Tile


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelFolder]:
    """Two networks with untrained weights whose class bias is raised, so that they find something."""
    made = {}
    for task, architecture in (("oriented-boxes", "yolo11n-obb"), ("boxes", "yolo11n")):
        torch.manual_seed(3)
        network = yolo_net.build(architecture, 2)
        for branch in network.model[-1].cv3:
            torch.nn.init.normal_(branch[-1].weight, std=2.0)
            branch[-1].bias.data[:] = 0.5
        made[task] = write_model(
            tmp_path_factory.mktemp("models") / task,
            network,
            ModelFacts(
                name=task,
                version="0",
                task=task,
                engine="yolo",
                architecture=architecture,
                classes=("round", "long"),
                tile_size=256,
                licence="AGPL-3.0-or-later",
            ),
        )
    return made


@pytest.fixture
def tiles() -> list[Tile]:
    rng = np.random.default_rng(0)
    shapes = [(256, 256), (256, 256), (192, 256), (100, 130), (256, 256)]
    return [
        Tile(index, np.repeat(np.repeat(rng.integers(0, 255, (h // 2, w // 2, 3), dtype=np.uint8), 2, 0), 2, 1))
        for index, (h, w) in enumerate(shapes)
    ]


@pytest.mark.parametrize("task", ["oriented-boxes", "boxes"])
def test_both_backends_decode_as_ultralytics_does(models: dict[str, ModelFolder], tiles: list[Tile], task: str) -> None:
    model = models[task]
    oriented = task == "oriented-boxes"
    network = yolo_net.build(model.card.architecture, 2)
    read_weights(network, model.weights)
    network.eval()
    pixels = pad(tiles[0].pixels)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels[None].transpose(0, 3, 1, 2).astype(np.float32) / 255))[0][0].numpy()
    raw_torch = next(TorchBackend(model, "cpu").run([pixels]))
    raw_openvino = next(engines.load(model, "cpu").backend.run(iter([pixels])))
    for raw in (raw_torch, raw_openvino):
        found = decode(raw, 256, 256, model.card.classes, oriented, 0.0)
        top = expected[4:6].max(axis=0)
        np.testing.assert_allclose(np.sort(found.scores), np.sort(top)[-len(found) :], atol=2e-3)
        theirs = np.concatenate([expected[:2], np.sort(expected[2:4], axis=0)]).T
        ours = np.concatenate([found.boxes[:, :2], np.sort(found.boxes[:, 2:4], axis=1)], axis=1)
        distance = abs(ours[:, None] - theirs[None]).max(axis=2).min(axis=1)
        assert distance.max() < 0.1


def test_tiles_come_back_in_order_and_within_the_threshold(models: dict[str, ModelFolder], tiles: list[Tile]) -> None:
    engine = engines.load(models["oriented-boxes"], "cpu")
    results = list(engine.predict(iter(tiles), 0.3))
    assert [index for index, _ in results] == [0, 1, 2, 3, 4]
    assert any(len(found) for _, found in results)
    assert all((found.scores >= 0.3).all() for _, found in results)


def test_the_engine_reads_ahead_only_a_little(models: dict[str, ModelFolder], tiles: list[Tile]) -> None:
    taken = []

    def stream():
        for tile in tiles * 20:
            taken.append(tile.index)
            yield tile

    results = engines.load(models["boxes"], "cpu").predict(stream(), 0.5)
    next(results)
    assert len(taken) < 30


def test_changed_weights_are_refused(models: dict[str, ModelFolder], tmp_path: Path) -> None:
    model = models["boxes"]
    data = bytearray(model.weights.read_bytes())
    data[-1] ^= 1
    (tmp_path / "weights.safetensors").write_bytes(bytes(data))
    model.card.write(tmp_path)
    with pytest.raises(ModelError, match="damaged"):
        engines.load(ModelFolder(model.card, tmp_path), "cpu")


def test_a_conversion_reports_to_nobody(models: dict[str, ModelFolder], tmp_path: Path) -> None:
    home, dest = tmp_path / "home", tmp_path / "graph"
    home.mkdir()
    guard = "import socket, sys, runpy\n"
    guard += "def refuse(*a, **k): raise SystemExit('network')\n"
    guard += "socket.socket.connect = socket.getaddrinfo = refuse\n"
    guard += f"sys.argv[1:] = [{str(models['boxes'].folder)!r}, {str(dest)!r}]\n"
    guard += "runpy.run_module('napari_diatom.engines.openvino_export', run_name='__main__')"
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
    subprocess.run([sys.executable, "-c", guard], env=environment | {"HOME": str(home)}, check=True)
    assert (dest / "network.xml").exists()
    assert not list(home.rglob("*"))


def test_a_damaged_graph_in_the_cache_is_made_anew(
    models: dict[str, ModelFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_cache, "CACHE", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch.py").write_text("raise SystemExit('not this torch')")
    graph = openvino_cache.converted(models["boxes"])
    weights = graph.with_suffix(".bin")
    whole = weights.read_bytes()
    weights.write_bytes(b"\0" * len(whole))
    assert openvino_cache.converted(models["boxes"]) == graph
    assert weights.read_bytes() == whole
    assert [path.name for path in graph.parent.parent.iterdir()] == [graph.parent.name]


def test_a_cache_that_cannot_be_written_is_told(
    models: dict[str, ModelFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(openvino_cache, "CACHE", tmp_path / "file")
    with pytest.raises(ModelError, match="could not be prepared") as caught:
        openvino_cache.converted(models["boxes"])
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_devices_are_refused(models: dict[str, ModelFolder]) -> None:
    with pytest.raises(ModelError, match="choose auto"):
        engines.load(models["boxes"], "quantum")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no cuda"):
            engines.load(models["boxes"], "cuda")


def test_an_ultralytics_file_becomes_the_same_model_again(
    models: dict[str, ModelFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    for task, model in models.items():
        path = to_ultralytics(model, tmp_path / f"my-{task}.pt")
        imported = import_checkpoint(path)
        assert imported.weights.read_bytes() == model.weights.read_bytes()
        assert (imported.card.task, imported.card.classes, imported.card.tile_size) == (task, ("round", "long"), 256)
        with pytest.raises(InputError, match="already a model"):
            import_checkpoint(path)


def test_a_name_that_no_model_can_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    path = tmp_path / "my model.pt"
    path.touch()
    for name in (None, "../outside", "two words"):
        with pytest.raises(InputError, match="--name"):
            import_checkpoint(path, name)
    assert not (tmp_path / "models").exists()


def test_a_checkpoint_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "trap.pt"
    torch.save({"model": Trap()}, path)
    with pytest.raises(ModelError, match="asks for code"):
        yolo_net.read_checkpoint(path)
    path.write_text("no checkpoint")
    with pytest.raises(ModelError, match="not a PyTorch checkpoint"):
        yolo_net.read_checkpoint(path)


def test_unknown_architectures_are_refused() -> None:
    with pytest.raises(ModelError, match="yolo11n-obb"):
        yolo_net.build("yolo99z-obb", 1)


def test_a_network_that_was_only_sized_first_leaves_sound_layers() -> None:
    # In a process of its own: what is looked at is how Ultralytics is imported.
    said = (
        "import contextlib, torch; from napari_diatom.engines import yolo_net\n"
        "with contextlib.suppress(RuntimeError), torch.device('meta'): yolo_net.build('yolo11n-obb', 1)\n"
        "yolo_net.build('yolo11n-obb', 1).to('cpu')"
    )
    subprocess.run([sys.executable, "-c", said], check=True)


SIGNALLED = """
import os, signal, sys, threading
import numpy as np
from napari_diatom import engines
from napari_diatom.models.library import resolve_model

def loaded():
    engine = engines.load(resolve_model(sys.argv[1]), "cpu", threads=1)
    next(engine.backend.run([np.zeros((64, 64, 3), np.uint8)]))
    return engine

def hear():
    heard = []
    signal.signal(signal.SIGUSR1, lambda *_: heard.append(True))
    os.kill(os.getpid(), signal.SIGUSR1)
    assert heard

first, second = loaded(), loaded()
del first
del second
hear()
third = [loaded()]
thread = threading.Thread(target=third.clear)
thread.start()
thread.join()
hear()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals of users")
def test_engines_that_are_gone_leave_a_thread_able_to_hear_signals(models: dict[str, ModelFolder]) -> None:
    command = [sys.executable, "-c", SIGNALLED, str(models["boxes"].folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
