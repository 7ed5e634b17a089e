"""What OUT holds after a count: the results of this run, each under a name of its own, and nothing half done."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.counting import count, record, results, rows, save
from helpers.fakes import ShadeEngine, model_folder, slide
from napari_diatom.formats.geojson import codec as geojson

JOURNAL = ".napari-diatom"


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    for k in range(3):
        save(tmp_path / "slides" / f"site{k % 2}" / f"field{k}.png", k + 2, k)
    return tmp_path / "slides"


def forget_the_list(out: Path) -> None:
    """Make the folder one of a version that kept no list of what it had written."""
    (out / JOURNAL / "written.txt").unlink()


def as_the_version_before_left_it(out: Path, **facts: object) -> None:
    """Make the folder one of a version that wrote down neither focus planes nor how an image was read."""
    forget_the_list(out)
    (out / "images.csv").unlink()
    settings = out / JOURNAL / "settings.json"
    settings.write_text(json.dumps({k: v for k, v in json.loads(settings.read_text()).items() if "--z" not in k}))
    for part in (out / JOURNAL).glob("*.json"):
        if part != settings:
            data = json.loads(part.read_text())
            data["facts"] = {k: v for k, v in data["facts"].items() if k not in ("notices", "orientation")} | facts
            part.write_text(json.dumps(data))


# ---- exactly this run


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("again", ["--overwrite", "--resume"])
def test_of_an_input_that_was_taken_away_nothing_stays(tmp_path, slides, again, listed):
    out = tmp_path / "out"
    assert count(slides, "-o", out, "--xlsx") == 0
    (out / "annotations" / "notes.txt").write_text("mine")
    (out / "annotations" / "site1" / "mine.geojson").write_text("{}")
    (out / "overlays" / "mine.jpg").write_bytes(b"mine")
    if not listed:
        forget_the_list(out)
    (slides / "site1" / "field1.png").unlink()
    assert count(slides, "-o", out, again, "--xlsx") == 0
    assert count(slides, "-o", tmp_path / "fresh", "--xlsx") == 0
    mine = {"annotations/notes.txt", "annotations/site1/mine.geojson", "overlays/mine.jpg"}
    left = results(out)
    # Two slides of one folder are called after that alone.
    assert {name: data for name, data in left.items() if name not in mine} == results(tmp_path / "fresh")
    assert mine <= left.keys()
    assert not (out / "overlays" / "site1").exists()
    assert len(list((out / JOURNAL).glob("*.json"))) == 1 + 2


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        (["--xlsx"], [], ["tables.xlsx"]),
        ([], ["--no-overlays"], ["overlays"]),
        (["--masks"], [], ["masks"]),
    ],
)
def test_of_results_that_are_no_longer_asked_for_nothing_stays(tmp_path, slides, before, after, gone):
    out, engine = tmp_path / "out", ShadeEngine()
    assert count(slides, "-o", out, *before, engine=engine) == 0
    assert all((out / name).exists() for name in gone)
    assert count(slides, "-o", out, "--resume", *after, engine=engine) == 0
    assert not any((out / name).exists() for name in gone)
    assert count(slides, "-o", tmp_path / "fresh", *after, engine=ShadeEngine()) == 0
    assert results(out) == results(tmp_path / "fresh")


def test_of_a_killed_image_that_was_taken_away_nothing_stays(tmp_path, slides, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("napari_diatom.counting.run_output.write_overlay", kill)
        # A killed program cleans nothing up.
        patch.setattr("napari_diatom.counting.results_folder.ResultsFolder.remove", lambda *_: None)
        patch.setattr("napari_diatom.counting.results_folder.ResultsFolder.discard_empty", lambda *_: None)
        with pytest.raises(Killed):
            count(slides, "-o", out)
    assert (out / "annotations" / "site0" / "field0.geojson").exists()
    (slides / "site0" / "field0.png").unlink()
    assert count(slides, "-o", out, "--resume") == 0
    assert count(slides, "-o", tmp_path / "fresh") == 0
    assert results(out) == results(tmp_path / "fresh")


def test_files_that_count_did_not_write_are_not_replaced(tmp_path, slides, capsys):
    out = tmp_path / "out"
    mine = out / "annotations" / "site1" / "field1.geojson"
    mine.parent.mkdir(parents=True)
    mine.write_text("drawn by hand")
    for again in ((), ("--resume",), ("--overwrite",)):
        assert count(slides, "-o", out, *again) == 3
        assert "was not written by a count" in capsys.readouterr().err
        assert mine.read_text() == "drawn by hand"
        assert [item["image"] for item in record(out)["skipped"]] == ["site1/field1.png"]


@pytest.mark.parametrize(
    "line", ["../outside.geojson", "/{outside}", "annotations/../../outside.geojson", "outside.geojson", "run.json"]
)
def test_a_list_of_what_was_written_reaches_nothing_but_results(tmp_path, slides, line):
    out, outside = tmp_path / "out", tmp_path / "outside.geojson"
    assert count(slides, "-o", out) == 0
    outside.write_text("mine")
    (out / "outside.geojson").write_text("mine")
    with (out / JOURNAL / "written.txt").open("a") as stream:
        stream.write(line.format(outside=outside) + "\n")
    assert count(slides, "-o", out, "--overwrite") == 0
    assert outside.read_text() == "mine"
    assert (out / "outside.geojson").read_text() == "mine"


# ---- a name for each


def check_names(out: Path, number: int) -> None:
    """Hold that each image has its own annotations and overlay, and that the tables say which."""
    table = rows(out / "images.csv")
    assert len(table) == len({row["image"] for row in table}) == number
    for row, facts in zip(table, record(out)["images"], strict=True):
        assert (row["annotations"], row["overlay"]) == (facts["annotations"], facts["overlay"])
        found = geojson.read(out / row["annotations"])
        assert found.image == row["image"]
        assert len(found) == int(row["specimens"])
        with Image.open(out / row["overlay"]) as picture:
            assert picture.size == (int(row["width_px"]), int(row["height_px"]))
    for kind in ("annotations", "overlays"):
        assert len([path for path in (out / kind).rglob("*") if path.is_file()]) == number
    assert {row["image"] for row in rows(out / "counts.csv")} == {row["image"] for row in table}


def paged(path: Path, pages: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.stack([slide(number=k + 1) for k in range(pages)]))
    return path


CLASHES = {
    "one stem": lambda d: [save(d / "x.png", 1), save(d / "x.jpg", 2), save(d / "x.png.tif", 3)],
    "a page": lambda d: [paged(d / "y.tif", 2), save(d / "y#2.png", 4)],
    "a page of a longer name": lambda d: [paged(d / "y.tif", 2), save(d / "y.png", 3), save(d / "y.tif#2.png", 4)],
    "case": lambda d: [save(d / "a.png", 1), save(d / "A.png", 2), save(d / "a.PNG", 3)],
    "accents": lambda d: [save(d / unicodedata.normalize(f, "Mü.png"), k) for k, f in enumerate(("NFC", "NFD"), 1)],
    "a folder": lambda d: [save(d / "x.png", 1), save(d / "x.jpg" / "y.png", 2), save(d / "X.GEOJSON" / "y.png", 3)],
    "reserved": lambda d: [save(d / "con.png", 1), save(d / "_con.png", 2), save(d / "AUX" / "nul.1.png", 3)],
    "letters": lambda d: [save(d / "a:b.png", 1), save(d / "a_b.png", 2), save(d / "a\x1b\n.png", 3)],
    "dots": lambda d: [save(d / "a..png", 1), save(d / "t. " / "x.png", 2), save(d / "t" / "x.png", 3)],
    "length": lambda d: [save(d / ("é" * 124 + f"{k}.png"), k) for k in (1, 2)],
    "bytes": lambda d: [save(d / "a\udcff.png", 1), save(d / "a\udcfe.png", 2), save(d / "a\\xff.png", 3)],
}


@pytest.mark.skipif(os.name == "nt", reason="Windows does not hold these names")
@pytest.mark.parametrize("kind", CLASHES)
def test_names_that_would_meet_are_told_apart(tmp_path, kind, capsys):
    files = CLASHES[kind](tmp_path / "in")
    if len(list((tmp_path / "in").rglob("*.*"))) < len(files):
        pytest.skip("the file system makes no difference between these names")
    number = sum(2 if path.name == "y.tif" else 1 for path in files)
    assert count(tmp_path / "in", "-o", tmp_path / "out", "--xlsx") == 0
    check_names(tmp_path / "out", number)
    names = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out" / "annotations").rglob("*")]
    assert len({str(name).casefold() for name in names}) == len(names)
    assert all(len(name.name.encode()) < 240 and not set('<>:"|?*\\\x1b\n') & set(str(name)) for name in names)
    assert not any(part.split(".")[0].lower() in ("con", "nul", "aux") for name in names for part in name.parts)
    # The order is of no account.
    random.Random(1).shuffle(files)
    assert count(*files, "-o", tmp_path / "other") == 0
    assert {row["image"]: row["annotations"] for row in rows(tmp_path / "out" / "images.csv")} == {
        row["image"]: row["annotations"] for row in rows(tmp_path / "other" / "images.csv")
    }


def test_names_that_meet_nothing_stay_as_they_are(tmp_path):
    for name in ("a.ome.tif", "site #3.png", "Élbe 1.jpg", "a~b.png"):
        save(tmp_path / "in" / name)
    assert count(tmp_path / "in", "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out" / "annotations").iterdir()) == [
        "a.ome.geojson",
        "a~b.geojson",
        "site #3.geojson",
        "Élbe 1.geojson",
    ]


# ---- a full disk


class FullDisk:
    """Lets so many writes through, and then none."""

    def __init__(self, patch: pytest.MonkeyPatch, most: int) -> None:
        self.done, self._most = 0, most
        for name in ("fsync", "replace"):
            patch.setattr(os, name, self._limited(getattr(os, name)))
        patch.setattr(Path, "mkdir", self._limited(Path.mkdir))
        patch.setattr(Path, "write_bytes", self._limited(Path.write_bytes))

    def _limited(self, write):
        def limited(*arguments, **options):
            if self.done >= self._most:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.done += 1
            return write(*arguments, **options)

        return limited


def test_a_disk_that_is_full_at_any_write_loses_no_finished_image(tmp_path, capsys):
    slides = tmp_path / "slides"
    for k in range(2):
        path = save(slides / f"field{k}.png", k + 2, k)
        Image.open(path).crop((0, 0, 120, 120)).save(path)
    model_folder(tmp_path / "model")
    engine = ShadeEngine()

    def one(out: Path, *more: str) -> int:
        return count(slides, "-o", out, "--masks", "--xlsx", "--model", tmp_path / "model", *more, engine=engine)

    with pytest.MonkeyPatch.context() as patch:
        disk = FullDisk(patch, 10_000)
        assert one(tmp_path / "whole") == 0
    writes, whole = disk.done, results(tmp_path / "whole")
    assert writes > 30
    tiles = engine.tiles
    for most in range(writes):
        out = tmp_path / "out"
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(patch, most)
            assert one(out) == 2, most
        message = capsys.readouterr().err
        assert "No space left on device" in message, most
        assert "Traceback" not in message
        assert message.count("\n") == 1
        assert not [path for path in out.rglob("*.part") if JOURNAL not in path.parts], most
        finished = len([path for path in (out / JOURNAL).glob("*.json") if path.name != "settings.json"])
        assert ("--resume" in message) == bool(finished), most
        left = [name for name in results(out) if "/" in name]
        assert len(left) == 4 * finished or finished == 2, (most, left)
        engine.tiles = 0
        assert one(out, *(("--resume",) if finished else ())) == 0, most
        assert engine.tiles == tiles * (2 - finished) // 2, most
        assert results(out) == whole, most
        shutil.rmtree(out)


# ---- a journal that may hold anything

DAMAGED = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "cut off": b'{"image": "site0/fie',
    "nested": b"[" * 100_000,
    "wrong types": b'{"image": 1, "sample": [], "specimens": {}, "counts": 3, "facts": null}',
    "another kind": b"[1, 2]",
    "twice": b'{"image": "a", "image": "b"}',
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_stored_results_are_counted_again(tmp_path, slides, kind):
    out = tmp_path / "out"
    assert count(slides, "-o", out) == 0
    before = results(out)
    for part in (out / JOURNAL).glob("*.json"):
        if part.name != "settings.json":
            part.write_bytes(DAMAGED[kind])
    assert count(slides, "-o", out, "--resume", "--xlsx") == 0
    left = results(out)
    assert left.pop("tables.xlsx")
    assert left == before


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("image",), "other.png"),
        (("image",), "\ud800"),
        (("specimens", 0), ["a"]),
        (("specimens", 0, 4), "1e999"),
        (("specimens", 0, 4), "9" * 5000),
        (("specimens", 0, 1), "NaN"),
        (("counts", "diatom"), -1),
        (("counts", "diatom"), "many"),
        (("facts", "specimens"), 10**400),
        (("facts", "seconds"), float("nan")),
        (("facts", "sha256"), "0" * 64),
        (("facts", "notices"), [{}]),
    ],
)
def test_stored_results_with_other_values_are_counted_again(tmp_path, slides, where, value):
    out = tmp_path / "out"
    assert count(slides, "-o", out, "--xlsx") == 0
    before = results(out)
    part = next(path for path in (out / JOURNAL).glob("*.json") if path.name != "settings.json")
    data = place = json.loads(part.read_text())
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    part.write_text(json.dumps(data))
    assert count(slides, "-o", out, "--resume", "--xlsx") == 0
    assert results(out) == before


def test_a_folder_of_the_version_before_is_resumed(tmp_path, slides, capsys):
    out, engine = tmp_path / "out", ShadeEngine()
    assert count(slides, "-o", out, "--xlsx", engine=engine) == 0
    before = results(out)
    as_the_version_before_left_it(out)
    done = engine.tiles
    assert count(slides, "-o", out, "--resume", "--xlsx", engine=engine) == 0
    assert engine.tiles == done
    assert results(out) == before
    capsys.readouterr()
    assert count(slides, "-o", out, "--resume", "--threshold", 0.9) == 2
    assert "threshold was 0.4, is 0.9" in capsys.readouterr().err
    # From here on the planes are written down.
    assert count(slides, "-o", out, "--resume", "--z", "max") == 2
    assert "focus planes (--z) was best, is max" in capsys.readouterr().err


def turned(path: Path) -> Path:
    """Write a slide that its file stores on its side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(slide(number=3)).save(path, exif=exif)
    return path


def planes(path: Path) -> Path:
    """Write two times of a focus series of three planes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    series = np.stack([slide(number=k + 1) for k in range(3)])
    tifffile.imwrite(path, np.stack([series, series]), imagej=True, metadata={"axes": "TZYX"})
    return path


@pytest.mark.parametrize(
    ("write", "facts"),
    [
        (lambda d: planes(d / "a.tif"), {}),
        (lambda d: turned(d / "a.png"), {}),
        (lambda d: save(d / "a.png"), {"pixel_size_um": 84.67, "pixel_size_source": "tiff"}),
    ],
    ids=["planes", "turned", "pixel size"],
)
def test_what_the_version_before_read_in_another_way_is_counted_again(tmp_path, write, facts):
    out, engine = tmp_path / "out", ShadeEngine()
    image = write(tmp_path / "slides")
    assert count(image, "-o", out, engine=engine) == 0
    before, done = results(out), engine.tiles
    as_the_version_before_left_it(out, **facts)
    assert count(image, "-o", out, "--resume", engine=engine) == 0
    assert engine.tiles == 2 * done
    assert results(out) == before
    assert all("notices" in item and item["pixel_size_um"] is None for item in record(out)["images"])


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("name", ["settings.json", "written.txt"])
def test_a_damaged_journal_is_refused_in_words_and_overwritten(tmp_path, slides, kind, name, capsys):
    out = tmp_path / "out"
    assert count(slides, "-o", out) == 0
    before = results(out)
    (out / JOURNAL / name).write_bytes(DAMAGED[kind])
    capsys.readouterr()
    if name == "settings.json":
        assert count(slides, "-o", out, "--resume") == 2
        message = capsys.readouterr().err
        assert "--overwrite" in message
        assert message.count("\n") == 1
    assert count(slides, "-o", out, "--overwrite") == 0
    assert results(out) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_pipes_in_a_journal_are_not_waited_for(tmp_path, slides, capsys):
    out = tmp_path / "out"
    assert count(slides, "-o", out) == 0
    before = results(out)
    for path in list((out / JOURNAL).iterdir()):
        path.unlink()
        os.mkfifo(path)
    assert count(slides, "-o", out, "--resume") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert count(slides, "-o", out, "--overwrite") == 0
    assert results(out) == before
