"""Damaged and foreign files: every reader gives annotations or one InputError that names the file, nothing else."""

from __future__ import annotations

import contextlib
import functools
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.annotated import boxes, masks, target, write_images
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.formats.format_detection import detect
from napari_diatom.formats.registry import FORMATS, Format

WORDS = (
    b"nan",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b'"',
    b"<",
    b"[",
    b"{}",
    b"null",
    b"\x00",
    b"",
    b" ",
    b"true",
)
VALUES: tuple[Any, ...] = (None, [], {}, "a", -1, 1e308, 10**400, float("nan"), True, [[1, 2]], 0)


@functools.cache
def whole() -> Path:
    """Return a folder with annotations in every format, a folder each, and the images."""
    folder = Path(tempfile.mkdtemp(prefix="napari-diatom-fuzz-"))
    parts = [boxes(4), masks()]
    images = write_images(folder / "images", *parts)
    for format_ in FORMATS:
        (folder / format_.name).mkdir()
        format_.write(target(folder / format_.name, format_), parts, images)
    return folder


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return damaged bytes: cut off, flipped, or with a word in place of some."""
    at = rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    if kind == 2:
        return data[:at] + rng.choice(WORDS) + data[at + rng.randrange(12) :]
    other = rng.randrange(len(data))
    return data[:at] + data[other : other + rng.randrange(80)] + data[at:]


def changed(data: Any, rng: random.Random) -> Any:
    """Return JSON with one value of another type, or one key or entry less."""
    if isinstance(data, dict) and data and rng.random() < 0.8:
        key = rng.choice(sorted(data))
        if rng.random() < 0.1:
            return {name: value for name, value in data.items() if name != key}
        return {**data, key: changed(data[key], rng)}
    if isinstance(data, list) and data and rng.random() < 0.9:
        at = rng.randrange(len(data))
        return [*data[:at], changed(data[at], rng), *data[at + 1 :]]
    return rng.choice(VALUES)


def reads_or_complains(format_: Format, path: Path, images: Path | None, file: Path) -> None:
    """Read a file that may be damaged."""
    try:
        found = format_.read(path, images)
    except InputError as error:
        text = str(error)
        assert file.name in text or str(path) in text, text
        assert "\n" not in text.replace("\\n", "")
    else:
        assert all(isinstance(part, Annotations) for part in found)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
@given(seed=st.integers(0, 2**32), structured=st.booleans(), with_images=st.booleans())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.filterwarnings("ignore")
def test_damage_is_an_input_error(format_: Format, seed: int, structured: bool, with_images: bool) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(whole() / format_.name, copy)
        file = rng.choice(files_of(copy))
        data = file.read_bytes()
        if structured and file.suffix in (".json", ".geojson"):
            file.write_text(json.dumps(changed(json.loads(data), rng)), encoding="utf-8")
        else:
            file.write_bytes(mutated(data, rng) if data else b"\x00")
        reads_or_complains(format_, target(copy, format_), whole() / "images" if with_images else None, file)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
@pytest.mark.filterwarnings("ignore")
def test_foreign_files_are_an_input_error(format_: Format, tmp_path: Path) -> None:
    for other in FORMATS:
        file = files_of(whole() / other.name)[0]
        path = tmp_path / f"{other.name}{format_.suffixes[0]}"
        path.write_bytes(file.read_bytes())
        reads_or_complains(format_, path, None, path)
    for name, data in (
        ("empty", b""),
        ("zeros", bytes(500)),
        ("deep", b"[" * 100_000),
        ("picture", b"\x89PNG\r\n\x1a\n"),
    ):
        path = tmp_path / f"{name}{format_.suffixes[0]}"
        path.write_bytes(data)
        if name != "empty" or format_.name != "dota":
            with pytest.raises(InputError, match=name):
                format_.read(path)


@given(st.binary(max_size=200))
@settings(max_examples=60)
def test_any_bytes_have_a_format_or_none(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.json")
        path.write_bytes(data)
        with contextlib.suppress(InputError):
            assert detect(path) in FORMATS
