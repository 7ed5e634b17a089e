"""What count is given: files that are not read are named, and one that fails, of whatever, ends nothing."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.counting import count, record, results, rows, save
from helpers.fakes import BlobEngine, slide
from napari_diatom.cli import app as cli
from napari_diatom.counting.result_names import plan_sources

UNIX = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    return save(tmp_path / "slides" / "a.png", 2).parent


def skipped(out: Path) -> dict[str, str]:
    return {item["image"]: item["reason"] for item in record(out)["skipped"]}


# ---- files of microscopes that are passed over


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("b.czi", "ZEN"),
        ("c.nd2", "NIS-Elements"),
        ("d.LIF", "LAS X"),
        ("e.svs", "QuPath"),
        ("deep/f.vsi", "cellSens"),
        ("g.oib", "FLUOVIEW"),
        ("h.mrxs", "SlideViewer"),
        ("i.NEF", "camera's program"),
        ("j.heic", "TIFF or PNG"),
        ("k.ndpis", "NDP.view"),
        ("l.lsm", "Fiji"),
        ("m.ome.zarr/.zattrs", "Fiji"),
        ("n.n5/attributes.json", "Fiji"),
        ("o.oif.files/s_C001.tif", "OIF"),
    ],
)
def test_an_image_that_is_not_read_is_named_with_what_to_do(tmp_path, slides, capsys, name, todo):
    path = slides / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no image" * 30)
    assert count(slides, "-o", tmp_path / "out") == 3
    printed = capsys.readouterr()
    ((image, reason),) = skipped(tmp_path / "out").items()
    assert name.startswith(image)
    assert todo in reason
    assert f"Skipped {image}: {reason}" in printed.err
    assert image in printed.out
    assert [row["image"] for row in rows(tmp_path / "out" / "images.csv")] == ["a.png"]


def test_other_files_are_passed_over_in_silence(tmp_path, slides, capsys):
    for name in ("notes.txt", "Thumbs.db", ".b.czi", "._a.png", "a.xml", "a.geojson", "a.csv"):
        (slides / name).write_bytes(b"text")
    assert count(slides, "-o", tmp_path / "out") == 0
    assert skipped(tmp_path / "out") == {}
    assert capsys.readouterr().err == ""


def test_a_folder_of_foreign_images_alone_is_refused_in_words(tmp_path, capsys):
    for name in ("a.vsi", "b.vsi", "c.oib"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"\0" * 200)
    for given in ([tmp_path / "in"], [tmp_path / "in" / "a.vsi"], [tmp_path / "in" / "*.vsi"]):
        assert count(*given, "-o", tmp_path / "out") == 2
        message = capsys.readouterr().err
        assert "a.vsi" in message
        assert "cellSens" in message
        assert message.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_a_slide_that_is_tiff_inside_is_counted(tmp_path, slides):
    for name in ("b.svs", "c.scn", "d.LSM", "e.qptiff", "f.flex"):
        tifffile.imwrite(slides / name, slide(number=3), compression="zlib", tile=(64, 64))
    assert count(slides, "-o", tmp_path / "out") == 0
    assert [row["specimens"] for row in rows(tmp_path / "out" / "images.csv")] == ["2"] + ["3"] * 5


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs links")
def test_a_link_to_another_folder_is_named(tmp_path, slides, capsys):
    save(tmp_path / "elsewhere" / "b.png")
    (slides / "more").symlink_to(tmp_path / "elsewhere")
    (slides / "itself").symlink_to(slides)
    assert count(slides, "-o", tmp_path / "out") == 3
    assert list(skipped(tmp_path / "out")) == ["more"]
    assert count(slides, tmp_path / "elsewhere", "-o", tmp_path / "both") == 0


def test_a_project_names_what_it_does_not_take(tmp_path, slides, capsys):
    (slides / "b.vsi").write_bytes(b"\0" * 200)
    assert cli.main(["project", "new", str(tmp_path / "project"), str(slides)]) == 3
    printed = capsys.readouterr()
    assert "b.vsi" in printed.err
    assert "1 image, " in printed.out


# ---- what is not a file


@UNIX
@pytest.mark.parametrize("kind", ["pipe", "socket", "link to a pipe", "device"])
def test_what_is_not_a_file_is_skipped_by_name(tmp_path, slides, capsys, kind, monkeypatch):
    path = slides / "b.tif"
    if kind == "socket":
        monkeypatch.chdir(slides)  # the name of a socket may not be long
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("b.tif")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        pipe = path if kind == "pipe" else tmp_path / "pipe"
        os.mkfifo(pipe)
        if pipe != path:
            path.symlink_to(pipe)
    for number, given in enumerate(([slides], [slides / "a.png", path], [slides / "*.*"])):
        out = tmp_path / f"out{number}"
        assert count(*given, "-o", out) == 3
        assert list(skipped(out)) == ["b.tif"]
        assert f"{path} is a" in capsys.readouterr().err
    assert count(path, "-o", tmp_path / "out") == 2
    assert "not an image file" in capsys.readouterr().err


@UNIX
def test_a_file_that_becomes_a_pipe_while_others_are_counted_is_not_waited_for(tmp_path, slides):
    later = save(slides / "b.png")

    class Swapping(BlobEngine):
        def predict(self, tiles, threshold):
            if not stat.S_ISFIFO(later.stat().st_mode):
                later.unlink()
                os.mkfifo(later)
            return super().predict(tiles, threshold)

    assert count(slides, "-o", tmp_path / "out", engine=Swapping()) == 3
    assert "named pipe" in skipped(tmp_path / "out")["b.png"]


# ---- an image that makes something fail


SCALES = 4
"""At which an image is looked at."""


class Failing(BlobEngine):
    """Fails of the second image."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error, self.looks = error, 0

    def predict(self, tiles, threshold):
        self.looks += 1
        if self.looks == SCALES + 1:
            raise self.error
        return super().predict(tiles, threshold)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for k, name in enumerate("abc"):
        save(tmp_path / "three" / f"{name}.png", k + 1, k)
    return tmp_path / "three"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "needs more memory"),
        (RuntimeError("oneDNN\nfailed"), "RuntimeError: oneDNN failed"),
        (KeyError("x"), "KeyError"),
        (RecursionError("deep"), "RecursionError"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (AssertionError(), "AssertionError"),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates"), "UnicodeEncodeError"),
    ],
)
def test_an_image_that_fails_of_anything_is_named_and_the_others_go_on(tmp_path, three, capsys, error, words):
    out = tmp_path / "out"
    assert count(three, "-o", out, engine=Failing(error)) == 3
    printed = capsys.readouterr()
    assert list(skipped(out)) == ["b.png"]
    assert words in skipped(out)["b.png"]
    assert str(three / "b.png") in skipped(out)["b.png"]
    assert "Traceback" not in printed.err + printed.out
    assert [row["image"] for row in rows(out / "images.csv")] == ["a.png", "c.png"]
    if not isinstance(error, OSError):
        assert type(error).__name__ in (out / ".napari-diatom" / "errors.log").read_text()
    # It is counted by the next run.
    assert count(three, "-o", out, "--resume") == 0
    assert count(three, "-o", tmp_path / "whole") == 0
    assert results(out) == results(tmp_path / "whole")
    assert not (out / ".napari-diatom" / "errors.log").exists()


@pytest.mark.parametrize(
    "place", ["open_images", "write_overlay", "geojson.write", "write_masks", "ImageResult.of", "SlideImage.sha256"]
)
def test_whatever_part_fails_of_an_image_nothing_of_it_stays(tmp_path, three, monkeypatch, place):
    from helpers.fakes import ShadeEngine
    from napari_diatom.counting import batch, run_output

    owner, _, name = place.rpartition(".")
    module = batch if hasattr(batch, owner or name) else run_output
    holder = getattr(module, owner) if owner else module
    real = getattr(holder, name)
    calls = []

    def fail(*arguments, **options):
        calls.append(arguments)
        if any("b.png" in str(value) or "b.geojson" in str(value) or value == "b" for value in _flat(arguments)):
            raise ZeroDivisionError("a library's own")
        return real(*arguments, **options)

    monkeypatch.setattr(holder, name, fail)
    out = tmp_path / "out"
    assert count(three, "-o", out, "--masks", engine=ShadeEngine()) == 3
    assert calls
    assert list(skipped(out)) == ["b.png"]
    assert "ZeroDivisionError" in skipped(out)["b.png"]
    assert not [name for name in results(out) if "/b." in name]


def _flat(arguments):
    for value in arguments:
        yield getattr(value, "name", getattr(value, "image", value))


def test_when_all_images_fail_the_error_says_so_and_the_details_stay(tmp_path, slides, capsys):
    class Broken(BlobEngine):
        def predict(self, tiles, threshold):
            raise RuntimeError("no kernel")

    assert count(slides, "-o", tmp_path / "out", engine=Broken()) == 2
    message = capsys.readouterr().err
    assert "RuntimeError: no kernel" in message
    assert message.count("\n") == 1
    assert "no kernel" in (tmp_path / "out" / ".napari-diatom" / "errors.log").read_text()
    assert count(slides, "-o", tmp_path / "out") == 0


# ---- a file that changes under the run


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def replaced(path: Path) -> None:
    Image.fromarray(slide(number=5, seed=9)).save(path.with_suffix(".new"), format="PNG")
    os.replace(path.with_suffix(".new"), path)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("when", [1, SCALES])
@pytest.mark.parametrize("change", [cut, replaced, removed])
def test_a_file_that_changes_while_it_is_read_is_skipped_and_counted_later(tmp_path, three, change, when):
    class Disturbed(BlobEngine):
        looks = 0

        def predict(self, tiles, threshold):
            self.looks += 1
            if self.looks == SCALES + when:
                change(three / "b.png")
            return super().predict(tiles, threshold)

    out = tmp_path / "out"
    assert count(three, "-o", out, engine=Disturbed()) == 3
    assert list(skipped(out)) == ["b.png"]
    save(three / "b.png", 4)
    assert count(three, "-o", out, "--resume") == 0
    assert count(three, "-o", tmp_path / "whole") == 0
    assert results(out) == results(tmp_path / "whole")


# ---- names on the way out


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_names_that_are_not_text_reach_tables_and_terminal(tmp_path, capfd):
    save(tmp_path / "in" / "a\udcff.png")
    (tmp_path / "in" / "b\udcfe\x1b.tif").write_bytes(b"no image")
    assert count(tmp_path / "in", "-o", tmp_path / "out", "--xlsx") == 3
    assert rows(tmp_path / "out" / "images.csv")[0]["image"] == "a\\xff.png"
    assert list(skipped(tmp_path / "out")) == ["b\\xfe\\x1b.tif"]
    assert "\x1b" not in "".join(capfd.readouterr())


def test_names_with_numbers_of_any_script_are_sorted(tmp_path):
    for name in ("a²2.png", "a10.png", "a٣.png", "a2.png"):
        save(tmp_path / "in" / name)
    assert count(tmp_path / "in", "-o", tmp_path / "out") == 0
    assert [row["image"] for row in rows(tmp_path / "out" / "images.csv")][:2] == ["a2.png", "a10.png"]


def test_names_are_the_same_for_any_part_of_the_files_that_do_not_meet(tmp_path):
    names = ["x.png", "x.jpg", "y.png", "Y.tif", "z.tif", "con.png", "z#1.png"]
    paths = [tmp_path / name for name in names]
    whole = {source.path: source.stem for source in plan_sources(paths)}
    assert len(set(whole.values())) == len(names)
    for order in np.random.default_rng(0).permuted(np.tile(np.arange(len(names)), (20, 1)), axis=1):
        assert {source.path: source.stem for source in plan_sources([paths[i] for i in order])} == whole
    assert {source.stem for source in plan_sources(paths[4:6])} == {whole[path] for path in paths[4:6]}
