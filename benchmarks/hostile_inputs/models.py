"""Hostile models: checkpoints that call, cards that name paths, archives that grow, weights that are not numbers."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from hostile_inputs.watch import Fault
from napari_diatom.cli import main
from napari_diatom.models import library

CARD: Final = "model.yaml"
WEIGHTS: Final = "weights.safetensors"
_BUNDLED: Final = library.BUNDLED / "diatom-obb"
_IMAGE: Final = "image.png"


def prepare(folder: Path) -> None:
    """Make the picture that models are tried on."""
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(90, 160, (64, 96), dtype=np.uint8)).save(folder / _IMAGE)


def attempt(number: int, seed: int, folder: Path) -> str:
    """Make a hostile model and give it to ``models import``, ``models list`` and ``count``."""
    rng = random.Random(f"{seed} {number}")
    mark = folder / "RAN"
    kind = _KINDS[number % len(_KINDS)]
    with _inside(folder):
        commands = kind(rng, folder, mark)
        codes = []
        for command in commands:
            try:
                codes.append(main(command))
            except SystemExit as ended:
                codes.append(int(ended.code or 0))
            if mark.exists():
                raise Fault("executed", f"{kind.__name__}: {' '.join(command)}")
    if set(codes) - {0, 2, 3}:
        raise Fault("traceback", f"{kind.__name__} ended with {codes}")
    return "refused" if 2 in codes else "taken as what it is"


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Start the program in a folder, with its models in it and a cache of its own."""
    before, models = Path.cwd(), os.environ.get("NAPARI_DIATOM_MODELS")
    os.chdir(folder)
    os.environ["NAPARI_DIATOM_MODELS"] = str(folder / "models")
    try:
        yield
    finally:
        os.chdir(before)
        if models is not None:
            os.environ["NAPARI_DIATOM_MODELS"] = models


class _Call:
    """An object whose pickle calls something when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


class _Named:
    """Something by its module and name, as a pickle has it; nothing is imported to write it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


def _pickled(module: str, name: str, arguments: tuple[Any, ...], protocol: int) -> bytes:
    """Return a pickle that calls ``module.name(*arguments)``."""
    body = pickle.dumps(arguments, protocol=2)[2:-1]
    start = b"\x80\x02" if protocol < 4 else b"\x80\x04"
    if protocol < 4:
        found = f"c{module}\n{name}\n".encode()
    else:
        texts = [module.encode(), name.encode()]
        found = b"".join(b"\x8c" + bytes([len(text)]) + text for text in texts) + b"\x93"
    call = found + body + b"R"
    # Where a model is looked for: {"model": called, "ema": None}
    return start + b"}(X\x05\x00\x00\x00model" + call + b"X\x03\x00\x00\x00emaNu."


def _checkpoint(file: Path, data: bytes, more: dict[str, bytes] | None = None) -> None:
    """Write a checkpoint of torch around a pickle."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
        for name, content in (more or {}).items():
            archive.writestr(name, content)


def _calls(rng: random.Random, folder: Path, mark: Path) -> list[list[str]]:
    """Make a checkpoint that calls something: directly, or what an allow-list would let through."""
    text = f"__import__('pathlib').Path({str(mark)!r}).write_text('x')"
    described = {"nc": 1, "ch": 3, "activation": text, "backbone": [[-1, 1, "Conv", [16, 3, 2]]]}
    described["head"] = [[[-1], 1, "Detect", ["nc"]]]
    module, name, arguments = rng.choice(
        [
            ("os", "system", (f"touch {mark}",)),
            ("posix", "system", (f"touch {mark}",)),
            ("builtins", "eval", (text,)),
            ("builtins", "exec", (text,)),
            ("subprocess", "Popen", (["touch", str(mark)],)),
            ("pathlib", "Path.touch", (mark,)),
            ("runpy", "_run_code", (text, {})),
            ("ultralytics.nn.tasks", "DetectionModel", (described,)),
            ("ultralytics.nn.tasks", "OBBModel", (described,)),
            ("ultralytics.nn.tasks", "attempt_load_one_weight", ("yolo11x.pt",)),
            ("ultralytics.nn.modules.block", "TorchVision", ("resnet50", "DEFAULT")),
            ("torch.hub", "load", ("ultralytics/yolov5", "yolov5s")),
            ("torch.nn.modules.container", "Sequential", ()),
            ("webbrowser", "open", ("http://127.0.0.1:9/",)),
            ("socket", "create_connection", (("127.0.0.1", 9),)),
            ("urllib.request", "urlopen", ("http://127.0.0.1:9/",)),
        ]
    )
    file = folder / f"a{rng.choice(['.pt', '.pth'])}"
    data = _pickled(module, name, arguments, rng.choice([2, 4]))
    if rng.random() < 0.2:
        file.write_bytes(data)
    else:
        _checkpoint(file, data)
    return [["models", "import", str(file)]]


def _damaged(rng: random.Random, folder: Path, mark: Path) -> list[list[str]]:
    """Make a pickle of random instructions, or one that claims, nests or repeats without end."""
    kind = rng.randrange(6)
    if kind == 0:
        data = b"\x80\x02" + bytes(rng.randrange(256) for _ in range(rng.randrange(400))) + b"."
    elif kind == 1:
        data = b"\x80\x02" + b"(" * 200_000 + b"l" * 200_000 + b"."
    elif kind == 2:
        data = b"\x80\x02]" + b"q\x000" + b"h\x00h\x00\x86q\x00" * 40 + b"."
    elif kind == 3:
        data = b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x."
    elif kind == 4:
        data = b"\x80\x02r" + (2**31 - 1).to_bytes(4, "little") + b"."
    else:
        data = b"\x80\x02\x8b" + (2**31 - 1).to_bytes(4, "little") + b"1" * 1000 + b"."
    storage = {"archive/data/0": b"\0" * 64}
    _checkpoint(folder / "a.pt", data, storage if rng.random() < 0.5 else None)
    return [["models", "import", str(folder / "a.pt")]]


def _claims(rng: random.Random, folder: Path, mark: Path) -> list[list[str]]:
    """Make tensors larger than their storage, with strides and offsets beyond it, or of a storage that is a bomb."""
    import torch

    stream = io.BytesIO()
    torch.save({"model": {"a": torch.zeros(4)}, "ema": None}, stream)
    with zipfile.ZipFile(stream) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, content in members.items():
        if name.endswith("data.pkl"):
            members[name] = content.replace(b"K\x04", rng.choice([b"M\xff\xff", b"J\xff\xff\xff\x7f"]))
        elif name.endswith("data/0") and rng.random() < 0.5:
            members[name] = b"\0" * 50_000_000
    with zipfile.ZipFile(folder / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return [["models", "import", str(folder / "a.pt")]]


_YAML: Final = (
    "nc: 1\nactivation: {text}\nscales: {{n: [0.5, 0.25, 1024]}}\n"
    "backbone: [[-1, 1, Conv, [16, 3, 2]]]\nhead: [[[-1], 1, Detect, [nc]]]\n"
)


def _card(rng: random.Random, folder: Path, mark: Path) -> list[list[str]]:
    """Make a model whose card names what it must not, with a YAML of commands at every place named."""
    text = f"__import__('pathlib').Path({str(mark)!r}).write_text('x')"
    for name in ("yolo11n-obb.yaml", "yolo11-obb.yaml", "evil.yaml", "evil-obb.yaml"):
        (folder / name).write_text(_YAML.format(text=text))
    card = yaml.safe_load((_BUNDLED / CARD).read_text(encoding="utf-8"))
    card["name"] = "mine"
    field, value = rng.choice(
        [
            ("architecture", "evil"),
            ("architecture", str(folder / "evil-obb")),
            ("architecture", "../evil-obb"),
            ("architecture", "yolo11n-obb.yaml"),
            ("architecture", "hf-hub:someone/something"),
            ("architecture", "local-dir:/tmp"),
            ("architecture", "yolo11n-obb\n"),
            ("architecture", ["yolo11n-obb"]),
            ("engine", "torch"),
            ("name", "../../evil"),
            ("classes", [f"c{i}" for i in range(100_000)]),
            ("classes", [None, {}]),
            ("tile_size", 10**30),
            ("mean", [float("nan")] * 3),
            ("std", [0.0] * 3),
            ("thresholds", {"diatom": float("nan")}),
            ("sha256", "0" * 64),
            ("version", "2026-13-45"),
        ]
    )
    card[field] = value
    home = folder / "models" / "mine"
    home.mkdir(parents=True)
    shutil.copyfile(_BUNDLED / WEIGHTS, home / WEIGHTS)
    content = yaml.dump(card, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), allow_unicode=True)
    if field == "version":
        content = content.replace("'2026-13-45'", "2026-13-45")
    (home / CARD).write_text(content, encoding="utf-8")
    picture = str(folder.parent / _IMAGE)
    return [["models", "list"], ["count", picture, "-o", "OUT", "--model", str(home)]]


def _foreign_card(rng: random.Random, folder: Path, mark: Path) -> list[list[str]]:
    """Make a card that is anything but one, beside the bundled models: these go on working."""
    home = folder / "models" / "mine"
    home.mkdir(parents=True)
    content = rng.choice(
        [
            b"\xff\xfe\0",
            b"[" * 100_000,
            b"a: &a [" + b"*a, " * 1000 + b"]",
            b"&a [x]\n" * 3,
            b"name: 2026-99-99\n",
            b"name: mine\nname: mine\n",
            b"!!python/object/apply:os.system ['touch " + str(mark).encode() + b"']\n",
            json.dumps({"name": "mine", "classes": {"a": [1] * 1000}}).encode(),
            bytes(rng.randrange(256) for _ in range(300)),
        ]
    )
    (home / CARD).write_bytes(content)
    return [["models", "list"], ["models", "show", "mine"], ["models", "show", "diatom-obb"]]


def _archive(rng: random.Random, folder: Path, mark: Path) -> list[list[str]]:
    """Make an archive that is a bomb, leaves its folder, repeats entries or holds a hostile YAML."""
    file = folder / "a.diatom-model"
    kind = rng.randrange(5)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        card = (_BUNDLED / CARD).read_bytes()
        if kind == 0:
            archive.writestr(CARD, b"\0" * 200_000_000)
        elif kind == 1:
            archive.writestr("../../evil", b"x")
            archive.writestr(CARD, card)
            archive.writestr(WEIGHTS, b"x")
        elif kind == 2:
            archive.writestr(CARD, card.replace(b"yolo11n-obb", b"evil"))
            archive.writestr("evil.yaml", _YAML.format(text=f"open({str(mark)!r}, 'w')"))
            archive.writestr(WEIGHTS, (_BUNDLED / WEIGHTS).read_bytes())
        elif kind == 3:
            archive.writestr(CARD, card)
            archive.writestr(WEIGHTS, bytes(100))
        else:
            archive.writestr(CARD, b"a: &a [x, x, x]\nb: [" + b"*a, " * 500_000 + b"]\n")
    if rng.random() < 0.3:
        data = bytearray(file.read_bytes())
        for _ in range(5):
            data[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(bytes(data))
    return [["models", "show", str(file)], ["count", str(folder.parent / _IMAGE), "-o", "OUT", "--model", str(file)]]


def _weights(rng: random.Random, folder: Path, mark: Path) -> list[list[str]]:
    """Make weights that are not numbers, have other shapes, or a header that claims what is not there."""
    import hashlib

    from safetensors.numpy import load_file, save_file

    home = folder / "models" / "mine"
    home.mkdir(parents=True)
    tensors = load_file(_BUNDLED / WEIGHTS)
    # The counters of batch normalization are of no account once a network is trained.
    name = rng.choice(sorted(name for name in tensors if not name.endswith(".num_batches_tracked")))
    kind = rng.randrange(4)
    if kind == 0:
        tensors[name] = np.full_like(tensors[name], rng.choice([np.nan, np.inf, -np.inf]))
    elif kind == 1:
        tensors[name] = np.zeros((*tensors[name].shape, 2), tensors[name].dtype)
    elif kind == 2:
        del tensors[name]
    save_file(tensors, home / WEIGHTS)
    if kind == 3:
        data = bytearray((home / WEIGHTS).read_bytes())
        data[: rng.choice([8, 64])] = os.urandom(8)
        (home / WEIGHTS).write_bytes(bytes(data))
    card = yaml.safe_load((_BUNDLED / CARD).read_text(encoding="utf-8"))
    card |= {"name": "mine", "sha256": hashlib.sha256((home / WEIGHTS).read_bytes()).hexdigest()}
    (home / CARD).write_text(yaml.safe_dump(card, allow_unicode=True), encoding="utf-8")
    command = ["count", str(folder.parent / _IMAGE), "-o", "OUT", "--model", "mine"]
    if main(command) == 0:
        raise Fault("lost", f"weights of kind {kind} ({name}) gave a count")
    return [["models", "list"]]


_KINDS: Final[tuple[Callable[[random.Random, Path, Path], list[list[str]]], ...]] = (
    _calls,
    _calls,
    _damaged,
    _claims,
    _card,
    _card,
    _foreign_card,
    _archive,
    _weights,
)
