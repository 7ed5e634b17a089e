"""The benchmarks start, explain themselves, and the quick one runs."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(name: str, *arguments: str) -> int:
    """Run a script as ``python benchmarks/name`` does and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *arguments])
        patch.syspath_prepend(BENCHMARKS)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(BENCHMARKS / name), run_name="__main__")
    return int(ended.value.code or 0)


NAMES = [
    "accuracy.py",
    "finetuning.py",
    "instances.py",
    "kills.py",
    "measurement.py",
    "memory.py",
    "pretraining.py",
    "roundtrip.py",
    "seams.py",
    "stitching.py",
    "throughput.py",
]


@pytest.mark.parametrize("name", NAMES)
def test_each_explains_itself_and_its_set_up(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    assert "pip install -e '.[benchmark]'" in capsys.readouterr().out


def test_stitching(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stitching.py", "--boxes", "400", "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["crossed needles"] == {"before": 4, "after": 2}
    assert figures["four copies of each specimen"]["after"] == pytest.approx(100, abs=10)
    assert "seconds" in capsys.readouterr().out


def test_an_unknown_model_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("accuracy.py", "--model", "no-such-model") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_seams(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from fakes import BlobEngine, ShadeEngine, map_card

    from napari_diatom import engines

    monkeypatch.setattr(engines, "load", lambda model, device: ShadeEngine(map_card(tile_size=96), blind=8))
    arguments = ("--model", "diatom-obb", "--side", "200", "--piece", "120", "--processes", "1")
    assert run("seams.py", *arguments, "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["differing pixels, percent"] < 0.1
    assert figures["specimens in tiles"] == figures["specimens in one pass"]
    assert "peak memory" in capsys.readouterr().out
    monkeypatch.setattr(engines, "load", lambda model, device: BlobEngine())
    assert run("seams.py", *arguments) == 2
    assert "finds specimens" in capsys.readouterr().err


def test_roundtrip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("roundtrip.py", "--specimens", "40", "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["yolo-obb"]["degrees"] < 0.01
    assert figures["cvat"]["equal"] == figures["cvat"]["masks"] == 4
    assert "all masks equal" in capsys.readouterr().out


def test_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("kills.py", "--kills", "2", "--longest", "200", "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["kills after which something was lost"] == figures["projects that did not open"] == 0
    assert "finished actions" in capsys.readouterr().out
