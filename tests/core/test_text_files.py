"""Files that anybody may have written: a message in words, at once, whatever they hold."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import parse_table, read_bytes, read_json, read_text, read_xml, read_yaml

_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "Expecting"),
        (b'{"a": 1, "a": 2}', "the entry 'a' twice"),
        (b"[" * 200_000, "nested"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b"1" * 10_000, "digits"),
    ],
)
def test_damaged_json_is_refused_in_words(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(text)
    with pytest.raises(InputError, match=r"a\.json is not a COCO file") as caught:
        read_json(file, "a COCO file")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: [", "expected"),
        (b"a: 1\na: 2\n", "'a' a second time"),
        (b"a: 2026-13-45\n", "month"),
        (b"a: !!python/object/apply:os.system ['true']\n", "constructor"),
        (b"[" * 50_000, "nested deeper"),
        (b"- " * 50_000, "nested deeper"),
        (_BOMB.encode(), "aliases"),
        (b"a: &a [x, y, z]\nb: [" + b"*a, " * 1_000_000 + b"]\n", "aliases"),
        (b"a: &a [*a]\n", "contains itself"),
        (b"a: \xff\n", "UTF-8"),
        (b"{[a]: b, {c: d}: e}", "unhashable"),
    ],
)
def test_damaged_yaml_is_refused_in_words(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(text)
    started = time.perf_counter()
    with pytest.raises(InputError, match=r"a\.yaml is not a model card") as caught:
        read_yaml(file, "a model card")
    assert said in str(caught.value)
    assert time.perf_counter() - started < 10


def test_yaml_that_people_write_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("\ufeffbase: &base {lr: 0.1}\nmine:\n  <<: *base\n  epochs: 3\n", encoding="utf-8")
    assert read_yaml(file, "settings") == {"base": {"lr": 0.1}, "mine": {"lr": 0.1, "epochs": 3}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"<a>", "no element found"),
        (b"<a>" * 100_000, "nested deeper"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b"<a \xff/>", "not well-formed"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "encoding"),
        (b"", "no element found"),
    ],
)
def test_damaged_xml_is_refused_in_words(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "a.xml"
    file.write_bytes(text)
    with pytest.raises(InputError, match=r"a\.xml") as caught:
        read_xml(file, "a Pascal VOC file")
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ['"a', 'a,"b"c', "x" * 200_000])
def test_damaged_csv_is_refused_in_words(text: str) -> None:
    with pytest.raises(InputError, match=r"table\.csv is not a table"):
        parse_table(text, "table.csv", "a table")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes need POSIX")
@pytest.mark.parametrize(
    "read", [read_bytes, lambda path: read_json(path, "JSON"), lambda path: read_yaml(path, "YAML")]
)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, read: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        read(tmp_path / "pipe")


def test_what_is_no_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        read_bytes(tmp_path)
    with pytest.raises(InputError, match="not the name of a file"):
        read_bytes(Path("a\0b"))
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "missing", "text")


def test_a_file_far_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as stream:
        stream.truncate(2**33)
    with pytest.raises(InputError, match="8,192 MB"):
        read_yaml(file, "settings")
