"""The command line: tables that come out the same however the run goes, and errors on one line."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import TESTS
from helpers.fakes import BlobEngine, card, loader, model_folder, slide
from napari_diatom.cli import app as cli
from napari_diatom.cli.count import run_count
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.counting import batch
from napari_diatom.formats.geojson import codec as geojson

TILES_PER_IMAGE = 4 * 3 + 2 * 2 + 1 + 1
"""Of a 400 x 300 px field at 1, 1/2 and 1/4, in tiles of 128 px."""


def folder_of_slides(folder: Path, number: int = 4) -> Path:
    for k in range(number):
        path = folder / f"site{k % 2}" / f"field{k // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(slide(number=k + 2, seed=k)).save(path)
    return folder


def run(*arguments: object, engine: BlobEngine | None = None) -> int:
    """Run the command with a stand-in for the network."""
    parsed = [str(argument) for argument in arguments]
    parser = cli.parser().parse_args(["count", *parsed])
    parser.run = lambda args: run_count(args, loader(engine or BlobEngine()))
    return cli.execute(parser)


@pytest.fixture
def model(tmp_path):
    return model_folder(tmp_path / "model")


@pytest.fixture
def slides(tmp_path):
    return folder_of_slides(tmp_path / "slides")


def tables(out: Path) -> tuple[bytes, bytes]:
    return (out / "specimens.csv").read_bytes(), (out / "counts.csv").read_bytes()


def test_count(tmp_path, slides, model, capsys):
    out = tmp_path / "out"
    assert run(slides, "-o", out, "--model", model, "--pixel-size", 0.2, "--xlsx") == 0
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()[:3]] == [
        ["sample", "images", "class", "count"],
        ["site0", "2", "diatom", "3"],
        ["site0", "2", "centric", "3"],
    ]
    specimens = (out / "specimens.csv").read_text(encoding="utf-8").splitlines()
    assert len(specimens) == 1 + 2 + 3 + 4 + 5
    assert specimens[1].startswith("site0/field0.png,1,")
    for name in ("site0/field0", "site1/field0", "site0/field1", "site1/field1"):
        assert (out / "overlays" / f"{name}.jpg").exists()
    annotated = geojson.read(out / "annotations" / "site1" / "field1.geojson")
    assert len(annotated) == 5
    assert annotated.origins == ("blobs 1.0",) * 5
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["exit_status"] == 0
    assert record["model"]["name"] == "blobs"
    assert record["options"] == {
        "threshold": 0.4,
        "pixel_size_um": 0.2,
        "overlap": 0.25,
        "all_tiles": False,
        "z": "best",
        "max_decode_mb": 1024,
    }
    assert record["protocol"]["counted"] == ["valve", "girdle", "frustule", "unidentified", "teratological"]
    assert [image["specimens"] for image in record["images"]] == [2, 4, 3, 5]
    assert len(record["images"][0]["sha256"]) == 64
    assert (out / "tables.xlsx").exists()


def test_same_run_same_bytes(tmp_path, slides, model):
    assert run(slides, "-o", tmp_path / "a", "--model", model) == 0
    assert run(slides, "-o", tmp_path / "b", "--model", model, "--no-overlays") == 0
    assert tables(tmp_path / "a") == tables(tmp_path / "b")
    assert not (tmp_path / "b" / "overlays").exists()


def test_resume_takes_what_is_there(tmp_path, slides, model, capsys):
    out = tmp_path / "out"
    assert run(slides, "-o", out, "--model", model) == 0
    before = tables(out)
    # Finished results are not touched by accident.
    assert run(slides, "-o", out, "--model", model) == 2
    assert "--resume" in capsys.readouterr().err
    engine = BlobEngine()
    assert run(slides, "-o", out, "--model", model, "--resume", engine=engine) == 0
    assert engine.tiles == 0
    assert tables(out) == before

    # A changed image, a lost overlay and a damaged part are done again, nothing else.
    Image.fromarray(slide(number=6, seed=9)).save(slides / "site0" / "field0.png")
    (out / "overlays" / "site1" / "field1.jpg").unlink()
    engine = BlobEngine()
    assert run(slides, "-o", out, "--model", model, "--resume", engine=engine) == 0
    assert engine.tiles == 2 * TILES_PER_IMAGE
    assert len(tables(out)[0].splitlines()) == len(before[0].splitlines()) + 4

    assert run(slides, "-o", out, "--model", model, "--resume", "--threshold", 0.8) == 2
    assert "threshold was 0.4, is 0.8" in capsys.readouterr().err
    assert run(slides, "-o", out, "--model", model, "--overwrite", "--threshold", 0.8) == 0


def test_interrupted_then_resumed(tmp_path, slides, model, capsys):
    assert run(slides, "-o", tmp_path / "whole", "--model", model) == 0

    class Interrupted(BlobEngine):
        def predict(self, tiles, threshold):
            for item in super().predict(tiles, threshold):
                if self.tiles > 2 * TILES_PER_IMAGE + 3:
                    raise KeyboardInterrupt
                yield item

    out = tmp_path / "out"
    assert run(slides, "-o", out, "--model", model, engine=Interrupted()) == 130
    assert "--resume" in capsys.readouterr().err
    assert not (out / "specimens.csv").exists()
    engine = BlobEngine()
    assert run(slides, "-o", out, "--model", model, "--resume", engine=engine) == 0
    assert engine.tiles == 2 * TILES_PER_IMAGE
    assert tables(out) == tables(tmp_path / "whole")


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from helpers.fakes import BlobEngine, loader
from napari_diatom import cli
from napari_diatom.cli.app import parser
arguments = parser().parse_args(sys.argv[1:])
sys.exit(cli.run_count(arguments, loader(BlobEngine(delay=0.004))))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_killed_at_any_moment(tmp_path, slides, model):
    assert run(slides, "-o", tmp_path / "whole", "--model", model) == 0
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED.format(tests=str(TESTS)), "count", slides, "-o", out, "--model", model]
    moments = random.Random(3)
    for _ in range(4):
        process = subprocess.Popen([*command, "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        waited = time.monotonic()
        while not (out / ".napari-diatom" / "settings.json").exists() and time.monotonic() - waited < 30:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.wait()
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)
    assert tables(out) == tables(tmp_path / "whole")
    assert not [path for path in out.rglob("*.part") if ".napari-diatom" not in path.parts]
    for name in ("site0/field0", "site1/field1"):
        for kind, suffix in (("annotations", ".geojson"), ("overlays", ".jpg")):
            path = Path(kind, name + suffix)
            assert (out / path).read_bytes() == (tmp_path / "whole" / path).read_bytes()


def test_bad_images_among_good_ones(tmp_path, slides, model, capsys):
    (slides / "site0" / "text.tif").write_text("no image")
    (slides / "site0" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 50)
    tifffile.imwrite(slides / "site1" / "nan.tif", np.full((50, 50), np.nan, np.float32))
    out = tmp_path / "out"
    assert run(slides, "-o", out, "--model", model) == 3
    printed = capsys.readouterr().out
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["exit_status"] == 3
    assert [item["image"] for item in record["skipped"]] == ["site0/cut.jpg", "site0/text.tif", "site1/nan.tif"]
    for item in record["skipped"]:
        assert item["image"] in printed
        assert item["reason"] in printed
    assert len(record["images"]) == 4


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text


def test_bad_input_leaves_nothing(tmp_path, slides, model, capsys):
    (tmp_path / "text.tif").write_text("no image")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "file").touch()
    cases = {
        "text.tif": (tmp_path / "text.tif",),
        "holds no images": (tmp_path / "nothing",),
        "does not exist": (tmp_path / "nowhere",),
        "pixel size": (slides, "--pixel-size", "5000"),
        "threshold": (slides, "--threshold", "7"),
        "Unknown status": (slides, "--count-status", "valve,frog"),
        "Known models": (slides, "--model", "no-such-model"),
    }
    for words, arguments in cases.items():
        out = tmp_path / "deep" / "out"
        assert run(*arguments, *(() if "--model" in arguments else ("--model", model)), "-o", out) == 2
        assert words in one_line(capsys.readouterr().err)
        assert not out.parent.exists()
    assert run(slides, "-o", tmp_path / "file", "--model", model) == 2
    assert "is not a folder" in one_line(capsys.readouterr().err)
    assert run(slides, "-o", tmp_path / "file" / "out", "--model", model) == 2
    assert "cannot be written" in one_line(capsys.readouterr().err)


def test_full_disk(tmp_path, slides, model, capsys, monkeypatch):
    out = tmp_path / "out"
    calls = iter(range(1000))
    real = os.fsync

    def full(number: int) -> None:
        if next(calls) >= 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(number)

    with monkeypatch.context() as patch:
        patch.setattr("napari_diatom.core.atomic_files.os.fsync", full)
        assert run(slides, "-o", out, "--model", model) == 2
    message = one_line(capsys.readouterr().err)
    assert "No space left on device" in message
    assert "--resume" in message
    assert run(slides, "-o", out, "--model", model, "--resume") == 0
    assert run(slides, "-o", tmp_path / "whole", "--model", model) == 0
    assert tables(out) == tables(tmp_path / "whole")


def test_no_permission(tmp_path, slides, model, capsys, monkeypatch):
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert run(slides, "-o", tmp_path / "out", "--model", model) == 2
    assert "Permission denied" in one_line(capsys.readouterr().err)


def test_folders_that_may_not_be_looked_into(tmp_path, slides, model, capsys, monkeypatch):
    real = os.stat

    def refuse(path: object, *arguments: object, **options: object) -> os.stat_result:
        if "private" in os.fspath(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse)
    out = tmp_path / "out"
    for arguments in (
        (slides, "-o", tmp_path / "private" / "out", "--model", model),
        (tmp_path / "private" / "a.tif", "-o", out, "--model", model),
        (tmp_path / "private" / "*.tif", "-o", out, "--model", model),
        (slides, "-o", out, "--model", tmp_path / "private" / "model"),
    ):
        assert run(*arguments) == 2
        message = one_line(capsys.readouterr().err)
        assert "Permission denied" in message
        assert ".napari-diatom" not in message
    assert cli.main(["samples", str(tmp_path / "private" / "slides")]) == 2
    assert "Permission denied" in one_line(capsys.readouterr().err)
    assert not out.exists()


def test_names_that_are_too_long(tmp_path, slides, model, capsys):
    for arguments in (("x" * 300, "-o", tmp_path / "out"), (slides, "-o", tmp_path / ("x" * 300))):
        assert run(*arguments, "--model", model) == 2
        assert "File name too long" in one_line(capsys.readouterr().err)


def test_overwrite_that_fails_loses_nothing(tmp_path, slides, model, capsys):
    out = tmp_path / "out"
    assert run(slides, "-o", out, "--model", model) == 0
    before = tables(out)

    def damaged(model: object, device: str) -> BlobEngine:
        raise ModelError("The weights are damaged.")

    parsed = cli.parser().parse_args(["count", str(slides), "-o", str(out), "--model", str(model), "--overwrite"])
    parsed.run = lambda arguments: run_count(arguments, damaged)
    capsys.readouterr()
    assert cli.execute(parsed) == 2
    assert "damaged" in one_line(capsys.readouterr().err)
    assert tables(out) == before
    assert run(slides, "-o", out, "--model", model, "--resume") == 0
    assert tables(out) == before


def test_a_file_that_goes_away_is_skipped(tmp_path, slides, model, capsys, monkeypatch):
    real = batch.SlideImage.sha256

    def unreadable(image: batch.SlideImage) -> str | None:
        if image.name == "site0/field1.png":
            raise InputError("field1.png cannot be read: Input/output error.")
        return real(image)

    monkeypatch.setattr(batch.SlideImage, "sha256", unreadable)
    assert run(slides, "-o", tmp_path / "out", "--model", model) == 3
    assert "site0/field1.png" in capsys.readouterr().out


def test_names_that_clash(tmp_path, model):
    folder = tmp_path / "one"
    folder.mkdir()
    Image.fromarray(slide(number=2)).save(folder / "a.png")
    Image.fromarray(slide(number=3)).save(folder / "A.jpg", quality=100, subsampling=0)
    tifffile.imwrite(folder / "b.tif", np.stack([slide(number=1), slide(number=4)]))
    out = tmp_path / "out"
    assert run(folder, "-o", out, "--model", model, "--sample", "Elbe") == 0
    names = sorted(path.name for path in (out / "annotations").iterdir())
    assert names == ["A.jpg.geojson", "a.png.geojson", "b#1.geojson", "b#2.geojson"]
    counts = (out / "counts.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert {line.split(",")[0] for line in counts} == {"Elbe"}
    assert {line.split(",")[1] for line in counts} == {"a.png", "A.jpg", "b.tif#1", "b.tif#2"}


def test_results_beside_the_slides_are_not_counted(tmp_path, slides, model):
    assert run(slides, "-o", slides / "out", "--model", model) == 0
    before = tables(slides / "out")
    assert run(slides, "-o", slides / "out", "--model", model, "--overwrite") == 0
    assert tables(slides / "out") == before


def test_damaged_journal(tmp_path, slides, model, capsys):
    out = tmp_path / "out"
    assert run(slides, "-o", out, "--model", model) == 0
    before = tables(out)
    for part in (out / ".napari-diatom").glob("*.json"):
        if part.name != "settings.json":
            part.write_text(part.read_text()[:40])
    assert run(slides, "-o", out, "--model", model, "--resume") == 0
    assert tables(out) == before
    capsys.readouterr()
    for text in ("{", "[1]", "7"):
        (out / ".napari-diatom" / "settings.json").write_text(text)
        assert run(slides, "-o", out, "--model", model, "--resume") == 2
        assert "--overwrite" in one_line(capsys.readouterr().err)


def test_other_model_is_told(tmp_path, slides, model, capsys):
    out = tmp_path / "out"
    assert run(slides, "-o", out, "--model", model) == 0
    other = BlobEngine(card().model_copy(update={"sha256": "1" * 64}))
    assert run(slides, "-o", out, "--model", model, "--resume", engine=other) == 2
    assert "weights was" in one_line(capsys.readouterr().err)


def test_plan_sources_across_folders():
    sources = batch.plan_sources([Path("/d/x/a.tif"), Path("/d/y/a.tif"), Path("/d/y/a.ome.tif")])
    assert [source.name for source in sources] == ["x/a.tif", "y/a.tif", "y/a.ome.tif"]
    assert [source.stem for source in sources] == ["x/a", "y/a", "y/a.ome"]
    assert [source.sample for source in sources] == ["x", "y", "y"]


def test_models(model, capsys):
    assert cli.main(["models", "list"]) == 0
    assert capsys.readouterr().out.startswith("model")
    assert cli.main(["models", "show", "no-such-model"]) == 2
    assert "Known models" in one_line(capsys.readouterr().err)


def test_samples_go_to_empty_folders_only(tmp_path, capsys):
    (tmp_path / "mine.txt").touch()
    assert cli.main(["samples", str(tmp_path)]) == 2
    assert "not empty" in one_line(capsys.readouterr().err)


def test_help_is_light():
    code = (
        "import sys\nfrom napari_diatom import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'torch', 'cv2', 'napari', 'qtpy', 'tifffile', 'pydantic', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "exit codes" in done.stdout
