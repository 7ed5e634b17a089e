"""Nothing in a model file is ever run, fetched or unpacked without bounds."""

import builtins
import collections
import copy
import functools
import hashlib
import io
import json
import operator
import os
import pathlib
import pickle
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hostile import Call, Trap, refuse_network
from tiny import configured, draw_slides

from diatom_training.finetune import start
from napari_diatom import cli
from napari_diatom.engines import architectures, checkpoints, inert, yolo_net
from napari_diatom.engines.quiet import silence_ultralytics
from napari_diatom.engines.yolo_files import import_checkpoint, write_model
from napari_diatom.errors import DiatomError, ModelError
from napari_diatom.models import library
from napari_diatom.models.architectures import EXAMPLES, OF_ENGINES
from napari_diatom.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard
from napari_diatom.models.library import ModelFolder


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """A folder for hostile files; whatever they are given to must neither run anything nor reach for the network."""
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "own"))
    monkeypatch.setattr(library, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    tried = refuse_network(monkeypatch)
    found = Trap(tmp_path)
    yield found
    assert not found.sprung()
    assert not tried


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(5)
    made = yolo_net.build("yolo11n-obb", 2)
    made.names = {0: "long", 1: "round"}
    return made


def saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def detection_model(trap: Trap) -> Call:
    silence_ultralytics()
    from ultralytics.nn.tasks import DetectionModel

    layers = {"backbone": [[-1, 1, "Conv", [16, 3, 2]]], "head": [[[-1], 1, "Detect", ["nc"]]]}
    return Call(DetectionModel, {"nc": 1, "ch": 3, "activation": trap.code, **layers})


def torchvision_model(trap: Trap) -> Call:
    silence_ultralytics()
    from ultralytics.nn.modules import TorchVision

    return Call(TorchVision, "resnet18", "DEFAULT")


def layer_of_the_network(trap: Trap) -> Any:
    """A network one of whose layers would be made by a call."""
    network = yolo_net.build("yolo11n", 1)
    network.names = {0: "diatom"}
    network.model[3] = torch.nn.Identity()
    network.model[3].forward = Call(builtins.eval, trap.code)  # type: ignore[assignment]
    network.model[3].weight = Call(builtins.eval, trap.code)  # type: ignore[assignment]
    return network


def state_of_a_call(trap: Trap) -> Any:
    """A call that is then given the state of a network."""

    class Both:
        def __reduce__(self) -> Any:
            return builtins.eval, (trap.code,), {"_modules": {}, "names": {0: "diatom"}}

    return Both()


CALLS: dict[str, Callable[[Trap], Any]] = {
    "os.system": lambda trap: Call(os.system, f"touch '{trap.sentinel}'"),
    "eval": lambda trap: Call(builtins.eval, trap.code),
    "exec": lambda trap: Call(builtins.exec, trap.code),
    "subprocess": lambda trap: Call(subprocess.check_output, ["touch", str(trap.sentinel)]),
    "partial": lambda trap: Call(functools.partial(os.system, f"touch '{trap.sentinel}'")),
    "getattr chain": lambda trap: Call(operator.methodcaller("write_text", "x"), pathlib.Path(trap.sentinel)),
    "map of eval": lambda trap: Call(collections.deque, [Call(builtins.eval, trap.code)]),
    "numpy's reconstruct": lambda trap: Call(np.vectorize(eval), trap.code),
    "a network from text": detection_model,
    "a download": torchvision_model,
    "torch.load": lambda trap: Call(torch.hub.load_state_dict_from_url, "https://example.org/x.pth"),
    "a layer": layer_of_the_network,
    "a call with a state": state_of_a_call,
}


@pytest.mark.parametrize("door", ["models import", "start"])
@pytest.mark.parametrize("kind", CALLS)
def test_nothing_that_a_pickle_names_is_called(kind: str, door: str, trap: Trap, capsys: Any) -> None:
    path = saved({"model": CALLS[kind](trap), "train_args": {"imgsz": 640}}, trap.folder / "x.pt")
    if door == "models import":
        assert cli.main(["models", "import", str(path)]) == 2
        assert "x.pt" in capsys.readouterr().err
    else:
        (trap.folder / "slides").mkdir()
        config = configured(draw_slides(trap.folder / "slides"), "oriented-boxes", start=str(path), architecture=None)
        if kind == "a layer":
            # The rest of the network is sound, and a start need not fit as a whole.
            assert not any("model.3." in name for name in start.resolve(config).weights)
        else:
            with pytest.raises(DiatomError, match=r"x\.pt"):
                start.resolve(config)


def test_a_training_does_not_run_what_it_starts_from(trap: Trap, capsys: Any) -> None:
    (trap.folder / "slides").mkdir()
    slides = draw_slides(trap.folder / "slides")
    path = saved({"model": detection_model(trap)}, trap.folder / "x.pt")
    config = configured(slides, "oriented-boxes", start=str(path), architecture=None)
    config.write(trap.folder / "config.yaml")
    assert cli.main(["train", str(trap.folder / "config.yaml"), "-o", str(trap.folder / "run")]) == 2
    assert "x.pt" in capsys.readouterr().err
    assert not trap.sprung()


@pytest.mark.parametrize("kind", ["old file", "pth", "bare pickle"])
def test_older_files_of_pytorch_are_not_run_either(kind: str, trap: Trap) -> None:
    path = trap.folder / ("x.pth" if kind == "pth" else "x.pt")
    content = {"model": Call(builtins.eval, trap.code)}
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=False)
    (trap.folder / "slides").mkdir()
    slides = draw_slides(trap.folder / "slides")
    with pytest.raises(DiatomError, match=r"x\.pt"):
        start.resolve(configured(slides, "semantic" if kind == "pth" else "boxes", start=str(path)))


def test_what_hides_in_the_settings_of_a_sound_network_is_not_run(trap: Trap, network: torch.nn.Module) -> None:
    settings = {"imgsz": 320, "project": Call(builtins.eval, trap.code), "hook": CALLS["os.system"](trap)}
    path = saved({"model": network, "train_args": settings}, trap.folder / "x.pt")
    assert cli.main(["models", "import", str(path)]) == 0
    assert library.find("x").card.tile_size == 320


def test_a_resumed_training_calls_nothing_that_its_checkpoint_names(trap: Trap) -> None:
    from diatom_training.learning.train import _read
    from tiny import NETWORKS

    from diatom_training.learning.options import LearningOptions

    options = LearningOptions(architecture=NETWORKS["semantic"])
    content = {"options": options.model_dump_json(), "state": collections.Counter("ab"), "history": []}
    path = saved(content, trap.folder / "checkpoint.ckpt")
    with pytest.raises(DiatomError, match="no checkpoint of a training"):
        _read(path, options)


# ---- what is read


def half(network: torch.nn.Module) -> torch.nn.Module:
    return copy.deepcopy(network).half()


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("entry", ["model", "ema"])
def test_a_real_checkpoint_is_read_to_the_last_tensor(
    entry: str, old: bool, trap: Trap, network: torch.nn.Module
) -> None:
    content = {"model": None, "ema": None, "epoch": -1, "best_fitness": np.float64(0.5), "date": "today"}
    settings = {"imgsz": [320, 256], "save_dir": Path("runs/train"), "lr0": np.float32(0.01)}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1).state_dict()
    path = trap.folder / "my-own.pt"
    content |= {entry: half(network), "train_args": settings, "optimizer": optimizer}
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    found = yolo_net.read_checkpoint(path)
    expected = half(network).float().state_dict()
    assert found.tensors.keys() == expected.keys()
    assert all(torch.equal(found.tensors[name], value.float()) for name, value in expected.items())
    assert (found.classes, found.architecture, found.image_size) == (("long", "round"), "yolo11n-obb", 320)


def test_tensors_that_share_or_skip_numbers_are_read_as_they_are(trap: Trap) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    layer = torch.nn.Module()
    layer.a = torch.nn.Parameter(base.t())
    layer.b = layer.a
    layer.register_buffer("strided", base[1:, ::2])
    layer.register_buffer("counted", torch.tensor(7))
    layer.register_buffer("empty", torch.zeros(0, 3))
    layer.register_buffer("passing", torch.ones(2), persistent=False)
    layer.register_buffer("none", None)
    layer.inner = torch.nn.Sequential(torch.nn.Linear(2, 3, bias=False, dtype=torch.bfloat16))
    path = saved({"model": layer}, trap.folder / "x.pt")
    with checkpoints.opened(path) as file:
        found = file.state_dict(file.content["model"])
    expected = layer.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in expected.items())


def test_names_in_a_list_and_paths_of_windows_are_understood(trap: Trap, network: torch.nn.Module) -> None:
    own = half(network)
    own.names = ["long", "round"]
    own.yaml["yaml_file"] = r"C:\models\yolo11n-obb.yaml"
    found = yolo_net.read_checkpoint(saved({"model": own}, trap.folder / "x.pt"))
    assert (found.classes, found.architecture, found.image_size) == (("long", "round"), "yolo11n-obb", 640)


@pytest.mark.parametrize("names", [None, {}, {0: "a\nb", 1: "c"}, {0: "\ud800", 1: "c"}, {0: ["a"], 1: "c"}, 5])
def test_class_names_that_are_none_are_refused(names: Any, trap: Trap, network: torch.nn.Module, capsys: Any) -> None:
    own = half(network)
    own.names = names
    assert cli.main(["models", "import", str(saved({"model": own}, trap.folder / "x.pt"))]) == 2
    assert "class names" in capsys.readouterr().err


def rewritten(source: Path, path: Path, **changes: bytes | None) -> Path:
    """Copy a checkpoint with other entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            name = info.filename.partition("/")[2]
            data = changes.get(name, old.read(info))
            if data is not None:
                new.writestr(info.filename, data)
    return path


def small(trap: Trap) -> Path:
    return saved({"model": torch.nn.Linear(64, 64)}, trap.folder / "small.pt")


def pickled(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


def tensor_pickle(offset: int, size: tuple[int, ...], stride: tuple[int, ...], numel: int = 4096) -> bytes:
    """Return the pickle of a network with one tensor of that shape."""

    class Layer:
        def __reduce__(self) -> Any:
            record = Call(torch._utils._rebuild_tensor_v2, Mark(numel), offset, size, stride, False, None)
            return torch.nn.Linear, (), {"_parameters": {"weight": record}, "_modules": {}, "_buffers": {}}

    class Mark:
        def __init__(self, numel: int) -> None:
            self.numel = numel

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            if isinstance(value, Mark):
                return ("storage", torch.FloatStorage, "0", "cpu", value.numel)
            return None

    stream = io.BytesIO()
    Pickler(stream, 2).dump({"model": Layer()})
    return stream.getvalue()


DAMAGED: dict[str, bytes] = {
    "nothing": b"",
    "no pickle": b"\xff\xfe",
    "no end": b"\x80\x02}q\x00(",
    "empty stack": pickled(b"00"),
    "unknown memory": pickled(b"h\x07"),
    "an extension": pickled(b"\x82\x01"),
    "text of a reference": pickled(b"Pstorage\n"),
    "state of a list": pickled(b"]}b"),
    "items of a number": pickled(b"K\x01K\x02a"),
    "many steps": pickled(b"N0" * inert.MOST_STEPS),
    "a number of a million digits": pickled(b"L" + b"9" * 1_000_000 + b"L\n"),
    "lists in lists": pickled(b"]" * 200_000 + b"a" * 199_999),
    "doubling": pickled(b"]" + b"2" * 50 + b"a" * 50),
    "a tensor beyond its storage": tensor_pickle(4000, (64, 64), (64, 1)),
    "a tensor of a terabyte": tensor_pickle(0, (1 << 20, 1 << 20), (0, 0)),
    "a storage of a terabyte": tensor_pickle(0, (1 << 38,), (1,), 1 << 38),
    "a negative shape": tensor_pickle(0, (-1, 64), (64, 1)),
    "a negative step": tensor_pickle(100, (4,), (-1,)),
    "steps of another number": tensor_pickle(0, (4, 4), (1,)),
    "a storage that ends early": tensor_pickle(0, (64, 65), (65, 1), 64 * 65),
    "a storage that goes on": tensor_pickle(0, (4, 4), (4, 1), 16),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_checkpoint_is_refused_in_words(kind: str, trap: Trap, capsys: Any) -> None:
    path = rewritten(small(trap), trap.folder / "x.pt", **{"data.pkl": DAMAGED[kind]})
    assert cli.main(["models", "import", str(path)]) == 2
    said = capsys.readouterr().err
    assert "x.pt" in said
    assert len(said.splitlines()) == 1


def test_layers_that_hold_themselves_end(trap: Trap) -> None:
    a, b = torch.nn.Sequential(), torch.nn.Sequential()
    dict.__setitem__(a._modules, "b", b)  # type: ignore[arg-type]
    dict.__setitem__(b._modules, "a", a)  # type: ignore[arg-type]
    broad: Any = torch.nn.Identity()
    for _ in range(60):
        broad = torch.nn.Sequential(broad, broad)
    for number, network in enumerate((a, broad)):
        with pytest.raises(ModelError, match=r"damaged|parts"):
            yolo_net.read_checkpoint(saved({"model": network}, trap.folder / f"{number}.pt"))


def test_a_file_that_is_no_checkpoint_is_refused_at_once(trap: Trap, capsys: Any) -> None:
    os.mkfifo(trap.folder / "pipe.pt")
    (trap.folder / "folder.pt").mkdir()
    (trap.folder / "empty.pt").touch()
    (trap.folder / "text.pt").write_text("no checkpoint")
    with zipfile.ZipFile(trap.folder / "other.pt", "w") as archive:
        archive.writestr("a/b.txt", "x")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(trap.folder / "twice.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"x")
        archive.writestr("a/data.pkl", b"y")
    (trap.folder / "slides").mkdir()
    slides = draw_slides(trap.folder / "slides")
    for name in ("pipe", "folder", "empty", "text", "other", "twice", "missing"):
        path = trap.folder / f"{name}.pt"
        assert cli.main(["models", "import", str(path)]) == 2, name
        assert f"{name}.pt" in capsys.readouterr().err
        with pytest.raises(DiatomError, match=f"{name}\\.pt"):
            start.resolve(configured(slides, "boxes", start=str(path), architecture=None))
