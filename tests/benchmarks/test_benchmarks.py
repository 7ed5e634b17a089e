"""The benchmarks start, explain themselves, and the quick one runs."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers import REPOSITORY
from helpers.fakes import BlobEngine, ShadeEngine, map_card
from napari_diatom import engines
from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement.outline_refinement import BoxOutlines

BENCHMARKS = REPOSITORY / "benchmarks"


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
    "click_outlines.py",
    "empty_tiles.py",
    "finetuning.py",
    "half_valves.py",
    "insides.py",
    "instances.py",
    "kills.py",
    "measurement.py",
    "memory.py",
    "mistakes.py",
    "names_latency.py",
    "names_window.py",
    "names.py",
    "outlines.py",
    "pretraining.py",
    "roundtrip.py",
    "sample_count.py",
    "seams.py",
    "search_kills.py",
    "season.py",
    "starts.py",
    "stitching.py",
    "throughput.py",
    "time_estimate.py",
    "torch_eager.py",
    "training_speed.py",
    "transfer.py",
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


def test_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, few = tmp_path / "figures.json", ["--work", str(tmp_path), "--taxa", "3", "--specimens", "9", "--tested", "2"]
    trained = {"first": 0.5, "three": 1.0, "calibration_error": 0.1, "seconds": 60.0, "processor_seconds": 50.0}
    name = "task: classes, few"
    file.write_text(json.dumps({name: {"cells": {"5 examples, seed 0": trained}}}), encoding="utf-8")
    few += ["--validated", "1", "--examples", "1", "5", "7", "--seeds", "2", "--json", str(file)]
    assert run("names.py", *few, "--against-classes", "few") == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    columns = ("length and slenderness", "the shape of the outline, too")
    assert list(figures) == [name, "diatom-embed", *(f"diatom-embed, with {what}" for what in columns)]
    rows = figures["diatom-embed"]["rows"]
    assert [row["examples"] for row in rows] == [1, 5]
    assert all(0 <= row[key] <= 1 for row in rows for key in ("first", "three", "refusal", "calibration_error"))
    # What was trained before is not trained again.
    assert figures[name]["rows"] == [{"examples": 5, **trained, "first_sd": 0.0}]
    assert "milliseconds of a core each" in capsys.readouterr().out


def test_an_unknown_model_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("accuracy.py", "--model", "no-such-model") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


class Outlining:
    """Outlines what is bright in a box and near it, or only half of it."""

    def __init__(self, half: bool) -> None:
        self.half = half

    def outlines(self, image: SlideImage, boxes: np.ndarray, monitor: object = None) -> BoxOutlines:
        masks = []
        for x0, y0, x1, y1 in geometry.bounds(boxes).astype(int).tolist():
            left, top = max(x0 - 5, 0), max(y0 - 5, 0)
            right, bottom = (x0 + x1) // 2 if self.half else min(x1 + 5, image.width), min(y1 + 5, image.height)
            masks.append(CroppedMask(image.read(left, top, right, bottom)[..., 0] > 128, left, top))
        return BoxOutlines(tuple(masks), np.zeros(len(masks), dtype=np.uint8))


@pytest.mark.parametrize("half", [False, True])
def test_boxes_with_outlines_are_measured_beside_the_boxes_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    data = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    for number in range(3):
        pixels = np.zeros((300, 400, 3), np.uint8)
        for k, box in enumerate([[100, 80 + 20 * number, 120, 30, 0.2], [280, 200, 80, 50, 1.0]]):
            ring = geometry.corners([box])[0]
            cv2.fillPoly(pixels, [np.rint(ring).astype(np.int32)], (255, 255, 255))
            note = {"id": 2 * number + k, "image_id": number, "category_id": 1, "segmentation": [ring.ravel().tolist()]}
            data["annotations"].append(note)
        cv2.imwrite(str(tmp_path / f"0035_{number}.png"), pixels)
        data["images"].append({"id": number, "file_name": f"0035_{number}.png", "height": 300, "width": 400})
    (tmp_path / "all.json").write_text(json.dumps(data))
    monkeypatch.setattr(engines, "load", lambda model, device: BlobEngine())
    monkeypatch.setattr(engines, "load_outliner", lambda model, device: Outlining(half))
    arguments = ("--coco", str(tmp_path / "all.json"), "--outlines", "diatom-obb", "--json", str(tmp_path / "out.json"))
    assert run("accuracy.py", *arguments) == 0
    assert "median mask IoU of right finds" in capsys.readouterr().out
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["outlines"]
    value = {name: row[0] for name, row in figures.items()}
    if half:
        assert value["median_iou"] == pytest.approx(0.5, abs=0.1)
        assert value["mask_ap75"] == value["ap75"] == 0
        assert value["length_error"] > 0.2
    else:
        # The boxes of blobs are a tenth too long, which their outlines mend.
        assert value["mask_ap75"] == value["ap75"] == pytest.approx(1)
        assert value["median_iou"] > 0.9
        assert value["ap75"] > value["box_ap75"]
        assert value["length_error"] < 0.03 < value["box_length_error"]
    assert value["dice"] > value["median_iou"]
    low, high = figures["median_iou"][1:]
    assert low <= value["median_iou"] <= high


def test_half_valves(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load", lambda model, device: BlobEngine())
    arguments = ("--fields", "1", "--side", "280", "--threshold", "0.2", "0.6")
    drawn = ("--overlays", str(tmp_path), "--json", str(tmp_path / "figures.json"))
    assert run("half_valves.py", *arguments, *drawn) == 0
    rows = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["figures"]
    assert len(rows) == 8
    for without, with_rule in zip(rows[::2], rows[1::2], strict=True):
        assert (without["rule"], with_rule["rule"]) == ("without", "with")
        assert with_rule["found"] <= without["found"]
        assert with_rule["specimens"] == without["specimens"]
    assert len(list(tmp_path.glob("*.png"))) == 2
    monkeypatch.setattr(engines, "load", lambda model, device: ShadeEngine())
    assert run("half_valves.py", *arguments) == 2
    assert "finds specimens" in capsys.readouterr().err


def test_seams(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_waits_while_naming(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--named", "200", "--taxa", "5", "--dimensions", "8", "--shown", "20", "--all", "500", "--runs", "3")
    assert run("names_latency.py", *few, "--background", "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    names = ["one more name", "another name", "a name taken back", "show more like this", "method and calibration"]
    assert list(figures) == names
    assert all(0 < row["median"] <= row["worst"] for row in figures.values())
    assert "method and calibration" in capsys.readouterr().out


def test_roundtrip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("roundtrip.py", "--specimens", "40", "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["yolo-obb"]["degrees"] < 0.01
    assert figures["cvat"]["equal"] == figures["cvat"]["masks"] == 4
    assert "all masks equal" in capsys.readouterr().out


def test_grad_cam_looks_at_the_valve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("diatom-obb", "--specimens", "5", "--random", "2", "--side", "480")
    assert run("insides.py", *arguments, "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["diatom-obb"]
    assert figures["specimens"] == 5
    assert figures["share within the valve"] >= 0.7
    assert figures["times as much"] >= 2
    assert "share within the valve" in capsys.readouterr().out


def test_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("kills.py", "--kills", "2", "--longest", "200", "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["kills after which something was lost"] == figures["projects that did not open"] == 0
    assert "finished actions" in capsys.readouterr().out


def test_kills_of_two_writers_whose_clocks_differ(tmp_path: Path) -> None:
    command = ["--kills", "1", "--longest", "300", "--writers", "2", "--skew"]
    # In a process of its own: the clocks of this one stay as they are.
    script = [sys.executable, str(BENCHMARKS / "kills.py"), *command, "--json", str(tmp_path / "figures.json")]
    subprocess.run(script, check=True)
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["kills"] == 2
    assert figures["kills after which something was lost"] == figures["projects that did not open"] == 0


def test_transfer_merges_runs_and_tells_what_composing_gains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def cell(seed: int, start: str, precision: float, recall: float, size: str = "5") -> dict[str, object]:
        figures = {"precision": precision, "recall": recall, "box AP50": 0.5, "oriented AP50": 0.25}
        return {"task": "oriented-boxes", "size": size, "seed": seed, "start": start, "figures": figures}

    first = [cell(0, "scratch", 0.1, 0.2), cell(0, "composed", 0.5, 0.4), cell(1, "scratch", 0.9, 0.9)]
    second = [cell(1, "scratch", 0.2, 0.2), cell(1, "composed", 0.8, 0.8), cell(0, "scratch", 0.7, 0.6, "all")]
    for name, part in (("a", first), ("b", second)):
        (tmp_path / f"{name}.json").write_text(json.dumps(part), encoding="utf-8")
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert run("transfer.py", "--merge", *files, "--json", str(tmp_path / "all.json")) == 0
    lines = capsys.readouterr().out.splitlines()
    told = "5 images, from scratch 2 0.150 ± 0.071 0.200 ± 0.000 0.500 ± 0.000 0.250 ± 0.000"
    assert " ".join(lines[1].split()) == told
    assert " ".join(lines[3].split()).startswith("all images, from scratch 1 0.700 ")
    assert lines[4] == (
        "composed less scratch at 5 images, 2 seeds: precision +50.0 points (+40.0 to +60.0), "
        "recall +40.0 points (+20.0 to +60.0)"
    )
    assert lines[5] == "composed less scratch-long at 5 images: not measured"
    assert len(json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))) == 5
    assert run("transfer.py") == 2
    assert "--merge" in capsys.readouterr().err


def test_the_table_of_architectures_in_the_docs_has_the_rows_kept(capsys: pytest.CaptureFixture[str]) -> None:
    rows = str(BENCHMARKS / "results" / "architectures.json")
    assert run("architectures.py", "--work", "unused", "--table", rows) == 0
    page = (REPOSITORY / "docs" / "reference" / "architectures.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() in page
