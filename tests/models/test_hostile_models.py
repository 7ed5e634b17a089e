"""Nothing in a model file is ever run, fetched or unpacked without bounds."""

import builtins
import collections
import copy
import functools
import hashlib
import io
import operator
import os
import pathlib
import pickle
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diatom_training.finetune import initial_weights
from diatom_training.synthesis.sample_slides import render_command
from helpers.hostile import Call, Trap, refuse_network
from helpers.tiny import configured, draw_slides
from napari_diatom.cli import app as cli
from napari_diatom.cli.console import BAD_INPUT, SOME_SKIPPED
from napari_diatom.core.errors import DiatomError, ModelError
from napari_diatom.core.progress import UNWATCHED
from napari_diatom.engines import architectures, inert_pickle, networks, torch_checkpoint, yolo_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.third_party import silence_ultralytics
from napari_diatom.models import library
from napari_diatom.models.architecture_names import EXAMPLES, OF_ENGINES
from napari_diatom.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard, ModelFacts
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
            assert not any("model.3." in name for name in initial_weights.resolve(config).weights)
        else:
            with pytest.raises(DiatomError, match=r"x\.pt"):
                initial_weights.resolve(config)


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
        initial_weights.resolve(configured(slides, "semantic" if kind == "pth" else "boxes", start=str(path)))


def test_what_hides_in_the_settings_of_a_sound_network_is_not_run(trap: Trap, network: torch.nn.Module) -> None:
    settings = {"imgsz": 320, "project": Call(builtins.eval, trap.code), "hook": CALLS["os.system"](trap)}
    path = saved({"model": network, "train_args": settings}, trap.folder / "x.pt")
    assert cli.main(["models", "import", str(path)]) == 0
    assert library.resolve_model("x").card.tile_size == 320


def test_a_resumed_training_calls_nothing_that_its_checkpoint_names(trap: Trap) -> None:
    from diatom_training.finetune.run_folder import RunFolder
    from diatom_training.finetune.training_run import work
    from diatom_training.learning.options import LearningOptions
    from helpers.tiny import NETWORKS

    (trap.folder / "slides").mkdir()
    run = RunFolder.create(trap.folder / "run", configured(draw_slides(trap.folder / "slides"), "semantic"))
    (run / "checkpoints").mkdir()
    options = LearningOptions(architecture=NETWORKS["semantic"])
    content = {"options": options.model_dump_json(), "state": collections.Counter("ab"), "history": []}
    saved(content, run / "checkpoints" / "last.ckpt")
    assert work(run) == 2
    assert "not a training checkpoint" in run.state().message


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
    with torch_checkpoint.open_checkpoint(path) as file:
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
    "many steps": pickled(b"N0" * inert_pickle.MOST_STEPS),
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
    with zipfile.ZipFile(trap.folder / "twice.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/data.pkl", b"y")
    (trap.folder / "slides").mkdir()
    slides = draw_slides(trap.folder / "slides")
    for name in ("pipe", "folder", "empty", "text", "other", "twice", "missing"):
        path = trap.folder / f"{name}.pt"
        assert cli.main(["models", "import", str(path)]) == 2, name
        assert f"{name}.pt" in capsys.readouterr().err
        with pytest.raises(DiatomError, match=f"{name}\\.pt"):
            initial_weights.resolve(configured(slides, "boxes", start=str(path), architecture=None))


# ---- what a network may be called

NO_NETWORKS = (
    "yolo11n-obb.yaml",
    "./yolo11n-obb",
    "some/path",
    "../yolo11n",
    "/etc/passwd",
    "yolo11n-obb\n",
    "yolo11n-seg",
    "hf-hub:someone/model",
    "deeplabv3plus/tu-hf-hub:someone/128",
    "deeplabv3plus/tu-local-dir:x/128",
    "deeplabv3plus/../128",
    "deeplabv3plus/resnet18/" + "9" * 5000,
    "maskrcnn/tu-resnet18.a1_in1k/64",
    "maskrcnn/https:example.org/64",
    "classifier/tu-hf_hub:x/192",
    "classifier/tu-resnet18/\u0661\u0669\u0662",
    "",
)


@pytest.fixture
def model(trap: Trap, network: torch.nn.Module) -> ModelFolder:
    return written(trap.folder / "model", network)


def written(folder: Path, network: torch.nn.Module, name: str = "toy") -> ModelFolder:
    facts: dict[str, Any] = {"name": name, "version": "1", "classes": ("long", "round"), "tile_size": 256}
    return write_model(
        folder,
        network,
        ModelFacts(task="oriented-boxes", engine="yolo", architecture="yolo11n-obb", **facts),
    )


def with_card(model: ModelFolder, **entries: Any) -> Path:
    """Change entries of a model's card, whatever the card may hold."""
    import yaml

    data = model.card.model_dump(mode="json") | entries
    (model.folder / CARD_FILE).write_text(yaml.safe_dump(data, allow_unicode=True))
    return model.folder


@pytest.mark.parametrize("engine", OF_ENGINES)
@pytest.mark.parametrize("name", NO_NETWORKS)
def test_a_card_cannot_name_a_path_or_a_download(name: str, engine: str, trap: Trap, model: ModelFolder) -> None:
    with pytest.raises(ModelError, match="architecture"):
        ModelCard.read(with_card(model, engine=engine, architecture=name))


@pytest.mark.parametrize("name", NO_NETWORKS)
def test_a_training_cannot_name_a_path_or_a_download(name: str, trap: Trap) -> None:
    with pytest.raises(ModelError):
        networks.build(name, 1)


@pytest.mark.parametrize(
    ("engine", "architecture", "task"),
    [
        ("yolo", "yolo11n-obb", "boxes"),
        ("yolo", "yolo11n-obb", "semantic"),
        ("yolo", "yolo11n", "oriented-boxes"),
        ("deeplab", EXAMPLES["deeplab"], "instances"),
        ("maskrcnn", EXAMPLES["maskrcnn"], "semantic"),
        ("classifier", EXAMPLES["classifier"], "boxes"),
        ("outline", EXAMPLES["outline"], "instances"),
        ("deeplab", EXAMPLES["deeplab"], "outlines"),
    ],
)
def test_a_card_cannot_give_a_network_the_task_of_another(
    engine: str, architecture: str, task: str, trap: Trap, model: ModelFolder, capsys: Any
) -> None:
    folder = with_card(model, engine=engine, architecture=architecture, task=task)
    (trap.folder / "a.png").write_bytes(png())
    out = trap.folder / "out"
    assert cli.main(["count", str(trap.folder / "a.png"), "-o", str(out), "--model", str(folder)]) == 2
    said = capsys.readouterr().err
    assert f"{architecture} gives" in said
    assert f"not {task}" in said
    assert not out.exists()


def test_all_usual_networks_are_known() -> None:
    from napari_diatom.engines.encoders import known_encoders

    usual = {"yolo": "yolo11n", "deeplab": architectures.DEEPLAB, "maskrcnn": architectures.MASK_RCNN}
    others = {"classifier": architectures.CLASSIFIER, "outline": architectures.OUTLINE}
    for names in (EXAMPLES, usual | others):
        assert all(OF_ENGINES[engine].fullmatch(name) for engine, name in names.items())  # type: ignore[index]
    assert all(OF_ENGINES["deeplab"].fullmatch(f"deeplabv3plus/{encoder}/128") for encoder in known_encoders())


@pytest.mark.parametrize("door", ["folder", "zip", "own"])
@pytest.mark.parametrize("where", ["beside the card", "in the working folder"])
def test_a_layout_beside_a_card_is_never_built(
    where: str, door: str, trap: Trap, model: ModelFolder, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    work = trap.folder / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    place = model.folder if where == "beside the card" else work
    for name in ("own", "own-obb", "yolo11n-obb", "yolo11-obb"):
        (place / f"{name}.yaml").write_text(trap.layout)
    folder = with_card(model, architecture=str(place / "own"))
    given: Path | str = folder
    if door == "zip":
        given = trap.folder / "toy.diatom-model"
        with zipfile.ZipFile(given, "w") as archive:
            for path in folder.iterdir():
                archive.write(path, path.name)
    elif door == "own":
        shutil.copytree(folder, trap.folder / "own" / "toy")
        given = "toy"
    image = trap.folder / "a.png"
    image.write_bytes(png())
    for command in (["models", "import", str(given)], ["count", str(image), "-o", "out", "--model", str(given)]):
        assert cli.main(command) == 2
        assert "architecture" in capsys.readouterr().err
    assert not trap.sprung()


def png() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 200, 200)).save(stream, "png")
    return stream.getvalue()


LAYOUTS = ("yolo11-obb.yaml", "yolo11n-obb.yaml", "yolo11.yaml", "yolo11n.yaml", "yolo26.yaml", "yolov8n.yaml")


def test_a_layout_in_the_working_folder_is_never_built(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trap.folder)
    for name in LAYOUTS:
        Path(name).write_text(trap.layout)
    networks = [yolo_net.build(name, 3) for name in ("yolo11n-obb", "yolo11n", "yolo26n", "yolov8n")]
    assert all(len(network.model) > 20 for network in networks)


def test_an_image_is_counted_in_a_folder_of_hostile_layouts(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty cache, the network is built by a process of its own."""
    work = trap.folder / "work"
    work.mkdir()
    for name in LAYOUTS:
        (work / name).write_text(trap.layout)
    (work / "torch.py").write_text(trap.code)
    (work / "ultralytics").mkdir()
    (work / "ultralytics" / "__init__.py").write_text(trap.code)
    (work / "a.png").write_bytes(png())
    monkeypatch.chdir(work)
    from napari_diatom.engines import openvino_cache

    monkeypatch.setattr(openvino_cache, "CACHE", trap.folder / "cache")
    assert cli.main(["count", "a.png", "-o", "out"]) == 0


def test_an_installed_layout_with_text_to_evaluate_is_refused(
    trap: Trap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silence_ultralytics()
    import ultralytics

    home = tmp_path / "fake" / "cfg" / "models" / "11"
    home.mkdir(parents=True)
    (home / "yolo11.yaml").write_text(trap.layout)
    monkeypatch.setattr(ultralytics, "__file__", str(tmp_path / "fake" / "__init__.py"))
    with pytest.raises(ModelError, match="in an unknown way"):
        yolo_net.build("yolo11n", 1)
    for text in ("- 5", "{backbone: 5, head: 6}", "backbone: [[-1, 1, os.system, [x]]]\nhead: []\n"):
        (home / "yolo11.yaml").write_text(text)
        with pytest.raises(ModelError, match="in an unknown way"):
            yolo_net.build("yolo11n", 1)


# ---- what a card and a zip may hold

CARDS: dict[str, bytes] = {
    "an impossible date": b"training: {day: 2024-99-99}\n",
    "wrong types": b"name: [1]\nversion: {a: b}\nclasses: 7\ntile_size: yes\n",
    "a list": b"- 1\n- 2\n",
    "nothing": b"",
    "not UTF-8": b"name: \xff\xfe\n",
    "UTF-16": "name: toy".encode("utf-16"),
    "deep nesting": b"training: " + b"[" * 5000 + b"]" * 5000,
    "aliases by the million": b"a: &a [1,1,1,1,1,1,1,1,1]\n"
    + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("k"))),
    "a list in itself": b"training: &a {a: *a}\n",
    "a tag of Python": b"training: !!python/object/apply:os.system ['true']\n",
    "one entry twice": b"name: toy\nname: other\n",
    "a huge number": b"tile_size: " + b"9" * 10_000 + b"\n",
    "a number beyond floats": b"metrics: {f1: 1" + b"0" * 400 + b"}\n",
    "not a number": b"pixel_size_um: .nan\nmean: [.inf, 0, 0]\n",
    "bytes": b"training: {a: !!binary gIGC}\n",
    "keys that are lists": b"training: {? [1, 2] : 3}\n",
    "control characters": b"name: \x00\x1b\n",
    "images seen of a wrong type": b"training: {images_seen: 5}\n",
}


@pytest.mark.parametrize("kind", CARDS)
def test_one_bad_card_stops_nobody_else(
    kind: str, trap: Trap, model: ModelFolder, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    own = trap.folder / "own"
    shutil.copytree(model.folder, own / "toy")
    bad = own / "bad"
    bad.mkdir()
    text = model.folder.joinpath(CARD_FILE).read_bytes()
    keys = {line.partition(b":")[0] for line in CARDS[kind].splitlines()}
    kept = b"".join(line for line in text.splitlines(keepends=True) if line.partition(b":")[0] not in keys)
    (bad / CARD_FILE).write_bytes(CARDS[kind] + (kept if keys & {b"training", b"metrics", b"pixel_size_um"} else b""))
    assert cli.main(["models", "list"]) == 0
    said = capsys.readouterr()
    assert "toy" in said.out
    assert "diatom-obb" in said.out
    assert str(bad) in said.err
    assert cli.main(["models", "show", "bad"]) == 2
    assert cli.main(["models", "show", "toy"]) == 0
    assert library.resolve_model(library.DEFAULT).card.name == library.DEFAULT
    packed = trap.folder / "bad.diatom-model"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(bad / CARD_FILE, CARD_FILE)
        archive.writestr(WEIGHTS_FILE, b"")
    assert cli.main(["models", "import", str(packed)]) == 2


def test_a_card_that_is_no_file_stops_nobody_else(trap: Trap, capsys: Any) -> None:
    for name in ("pipe", "folder"):
        (trap.folder / "own" / name).mkdir(parents=True)
    os.mkfifo(trap.folder / "own" / "pipe" / CARD_FILE)
    (trap.folder / "own" / "folder" / CARD_FILE).mkdir()
    assert cli.main(["models", "list"]) == 0
    said = capsys.readouterr()
    assert "diatom-obb" in said.out
    assert all(str(trap.folder / "own" / name) in said.err for name in ("pipe", "folder"))


def packed(trap: Trap, model: ModelFolder, **entries: bytes | Path) -> Path:
    path = trap.folder / "packed.diatom-model"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(model.folder / CARD_FILE, CARD_FILE)
        archive.write(model.weights, WEIGHTS_FILE)
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_only_a_card_and_weights_are_unpacked(trap: Trap, model: ModelFolder) -> None:
    extra = {"../outside.txt": b"x", "/tmp/outside.txt": b"x", "yolo11n-obb.yaml": trap.layout.encode(), "a/b": b"x"}
    found = library.resolve_model(packed(trap, model, **extra))
    found.verify()
    assert sorted(path.name for path in found.folder.iterdir()) == [CARD_FILE, WEIGHTS_FILE]
    assert not list(trap.folder.rglob("outside.txt"))


@pytest.mark.parametrize("lying", [False, True])
@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE])
def test_a_zip_bomb_is_refused_before_it_fills_the_disk(
    name: str, lying: bool, trap: Trap, model: ModelFolder, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(library, "LARGEST_WEIGHTS", 2**23)
    path = trap.folder / "bomb.diatom-model"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in (CARD_FILE, WEIGHTS_FILE):
            zeros = bytes(2**26) if entry == name else (model.folder / entry).read_bytes()
            archive.writestr(entry, zeros)
    if lying:
        data = path.read_bytes().replace(struct.pack("<L", 2**26), struct.pack("<L", 100))
        path.write_bytes(data)
    assert cli.main(["models", "import", str(path)]) == 2
    assert "bomb.diatom-model" in capsys.readouterr().err
    left = [file for file in (trap.folder / "cache").rglob("*") if file.is_file()]
    assert not left


def test_weights_that_are_not_those_of_the_card_do_not_stay_on_the_disk(
    trap: Trap, model: ModelFolder, capsys: Any
) -> None:
    path = trap.folder / "other.diatom-model"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CARD_FILE, (model.folder / CARD_FILE).read_bytes())
        archive.writestr(WEIGHTS_FILE, bytes(2**26))
    for command in (["models", "show"], ["models", "import"]):
        assert cli.main([*command, str(path)]) == 2
        assert "do not match its card" in capsys.readouterr().err
    assert not [file for file in (trap.folder / "cache").rglob("*") if file.is_file()]


def test_a_zip_with_a_million_names_is_refused_at_once(trap: Trap, capsys: Any) -> None:
    path = trap.folder / "names.diatom-model"
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    listed = b"".join(entry + b"%07d" % number for number in range(200_000))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(listed), 0, 0)
    path.write_bytes(listed + end)
    for name in ("names.diatom-model", "names.pt"):
        path = path.rename(trap.folder / name)
        assert cli.main(["models", "import", str(path)]) == 2
        assert "list of names" in capsys.readouterr().err


# ---- weights that are no numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("engine", OF_ENGINES)
def test_weights_that_are_no_numbers_are_refused(engine: str, value: float, trap: Trap) -> None:
    from safetensors.torch import save_file

    from napari_diatom import engines

    folder = trap.folder / "model"
    folder.mkdir()
    save_file({"a": torch.ones(4), "b": torch.tensor([1.0, value]).half()}, folder / WEIGHTS_FILE)
    tasks = {"yolo": "oriented-boxes", "deeplab": "semantic", "maskrcnn": "instances"}
    tasks |= {"classifier": "classes", "outline": "outlines", "maps": "semantic", "boxes": "boxes"}
    tasks |= {"embedder": "embedding", "examples": "classes"}
    facts = {"name": "toy", "version": "1", "classes": ("a",), "tile_size": 64, "task": tasks[engine], "engine": engine}
    if engine == "embedder":
        facts["embedding"] = {}
    if engine == "examples":
        made_by = {"embedder": "diatom-embed", "embedder_version": "1", "embedder_sha256": "ab" * 32, "dimensions": 1}
        facts["examples"] = {**made_by, "groups": {"valve": {"method": "discriminant"}}}
    digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    card = ModelCard(**facts, architecture=EXAMPLES[engine], sha256=digest)  # type: ignore[arg-type,index]
    others = {"classifier": engines.load_classifier, "outline": engines.load_outliner}
    others |= {"embedder": engines.load_embedder, "examples": engines.load_classifier}
    load = others.get(engine, engines.load)
    with pytest.raises(ModelError, match="infinite or not numbers"):
        load(ModelFolder(card, folder), "cpu")


def test_a_broken_network_is_refused_though_its_graph_is_in_the_cache(
    trap: Trap, network: torch.nn.Module, capsys: Any
) -> None:
    own = copy.deepcopy(network)
    own.model[0].conv.weight.data[0, 0, 0, 0] = float("nan")
    model = written(trap.folder / "own" / "toy", own)
    (trap.folder / "a.png").write_bytes(png())
    command = ["count", str(trap.folder / "a.png"), "-o", str(trap.folder / "out"), "--model", "toy"]
    from napari_diatom.engines import openvino_cache

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_cache, "is_sound", lambda _: True)
        assert cli.main(command) == 2
    assert "not numbers" in capsys.readouterr().err
    assert model.card.name == "toy"
    path = saved({"model": own}, trap.folder / "x.pt")
    assert cli.main(["models", "import", str(path)]) == 2
    assert "not numbers" in capsys.readouterr().err


def test_weights_beyond_half_precision_stay_as_they_are(trap: Trap) -> None:
    from napari_diatom.engines.weights import read_weights, write_weights

    layer = torch.nn.BatchNorm1d(2)
    layer.running_var[:] = torch.tensor([1e6, 2.0])
    write_weights(layer, trap.folder / WEIGHTS_FILE)
    again = torch.nn.BatchNorm1d(2)
    read_weights(again, trap.folder / WEIGHTS_FILE)
    assert torch.equal(again.running_var, layer.running_var)


def test_a_network_larger_than_its_weights_is_refused_before_it_is_made(
    trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_file

    from napari_diatom import engines

    folder = trap.folder / "model"
    folder.mkdir()
    save_file({"a": torch.ones(4)}, folder / WEIGHTS_FILE)
    facts: dict[str, Any] = {"name": "toy", "version": "1", "classes": ("a",), "tile_size": 64}
    digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    for engine, task, name in (
        ("classifier", "classes", "classifier/tu-vit_giant_patch14_clip_224/224"),
        ("maskrcnn", "instances", "maskrcnn/tu-resnet18/1024"),
    ):
        card = ModelCard(**facts, task=task, engine=engine, architecture=name, sha256=digest)
        with pytest.raises(ModelError, match=r"of .* numbers"):
            (engines.load_classifier if task == "classes" else engines.load)(ModelFolder(card, folder), "cpu")


def test_a_network_that_computes_no_numbers_is_not_an_image_without_specimens(
    trap: Trap, network: torch.nn.Module, capsys: Any
) -> None:
    own = copy.deepcopy(network)
    for layer in own.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.constant_(layer.weight, 60_000.0)
    written(trap.folder / "own" / "toy", own)
    (trap.folder / "a.png").write_bytes(png())
    command = ["count", str(trap.folder / "a.png"), "-o", str(trap.folder / "out"), "--model", "toy"]
    assert cli.main(command) in (BAD_INPUT, SOME_SKIPPED)
    said = capsys.readouterr()
    assert "infinite or not numbers" in said.out + said.err


# ---- the folder that the program is started in, and the terminal

MODULES = ("torch", "psutil", "runpy", "numpy", "ultralytics", "tempfile", "pathlib", "napari_diatom")


@pytest.mark.parametrize("process", ["devices", "a training", "a sample", "the window's child"])
def test_no_process_takes_modules_from_the_working_folder(
    process: str, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_diatom.analysis import worker_process
    from napari_diatom.core.processes import command_of

    work = trap.folder / "work"
    work.mkdir()
    for name in MODULES:
        (work / f"{name}.py").write_text(f"open({str(trap.sentinel)!r}, 'w')")
    monkeypatch.chdir(work)
    if process == "devices":
        assert worker_process.devices()[:2] == ("auto", "cpu")
    elif process == "the window's child":
        worker_process.close()
        job = worker_process.Job("a", np.zeros((64, 64), np.uint8), Path("no such model"))
        with pytest.raises(ModelError, match="no such model"):
            worker_process.analyse(job, UNWATCHED)
        worker_process.close()
    else:
        command = command_of("json.tool", "--help")
        if process == "a sample":
            command = render_command("no such sample", trap.folder / "x.npy")
        subprocess.run(command, capture_output=True, check=False)
    assert not trap.sprung()


def test_a_card_cannot_steer_the_terminal(trap: Trap, model: ModelFolder, capsys: Any) -> None:
    shutil.copytree(
        with_card(model, summary="\x1b]0;title\x07\x1b[2J", version="\x1b[31m"), trap.folder / "own" / "toy"
    )
    assert cli.main(["models", "list"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    with_card(model, architecture="\x1b[2J")
    assert cli.main(["models", "show", str(model.folder)]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_full_disk_while_a_model_is_unpacked_is_told_as_that(
    trap: Trap, model: ModelFolder, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    path = packed(trap, model)
    real = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if "w" in mode and self.name == WEIGHTS_FILE:
            raise OSError(28, "No space left on device", str(self))
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    assert cli.main(["models", "import", str(path)]) == 2
    assert "No space left" in capsys.readouterr().err
    monkeypatch.undo()
    assert not list((trap.folder / "cache").rglob("model.yaml"))
