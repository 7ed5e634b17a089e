"""What counts as a pixel size: what microscopes write does, how a picture prints does not, and both are told."""

from __future__ import annotations

import csv
import json

import pytest
import tifffile

from helpers.fakes import BlobEngine, loader, model_folder, slide
from napari_diatom import engines
from napari_diatom.cli import app as cli

OME = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}


@pytest.fixture
def counted(tmp_path, monkeypatch, capsys):
    """Count one TIFF file by the command line; return its pixel size, the facts of run.json and what stderr says."""
    monkeypatch.setattr(engines, "load", loader(BlobEngine()))
    model = model_folder(tmp_path / "model")

    def count(*arguments, name="a.tif", **written):
        tifffile.imwrite(tmp_path / name, slide(), **written)
        out = tmp_path / "out"
        code = cli.main(
            ["count", str(tmp_path / name), "-o", str(out), "--model", str(model), "--overwrite", *map(str, arguments)]
        )
        assert code == 0
        facts = json.loads((out / "run.json").read_text(encoding="utf-8"))["images"][0]
        with (out / "specimens.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        size = facts["pixel_size_um"]
        for row in rows:
            assert row["length_px"]
            lengths = row["length_um"], "" if size is None else float(row["length_px"]) * size
            assert lengths == ("", "") or float(lengths[0]) == pytest.approx(lengths[1], rel=0.01)
        return size, facts, capsys.readouterr().err

    return count


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"imagej": True, "resolution": (300, 300), "metadata": {"unit": "inch"}}, "300 dpi"),
        ({"imagej": True, "resolution": (72, 72), "metadata": {"unit": "inches"}}, "72 dpi"),
        ({"imagej": True, "resolution": (118.11, 118.11), "metadata": {"unit": "cm"}}, "300 dpi"),
        ({"imagej": True, "resolution": (11.811, 11.811), "metadata": {"unit": "mm"}}, "300 dpi"),
        ({"imagej": True, "resolution": (2400, 2400), "metadata": {"unit": "inch"}}, "2400 dpi"),
        ({"imagej": True, "resolution": (600, 600), "resolutionunit": "INCH", "metadata": {}}, "600 dpi"),
        ({"resolution": (118.11, 118.11), "resolutionunit": "CENTIMETER"}, "300 dpi"),
        ({"resolution": (236.22, 236.22), "resolutionunit": "CENTIMETER"}, "600 dpi"),
        ({"resolution": (4800, 4800), "resolutionunit": "INCH"}, "4800 dpi"),
        ({"resolution": (23.622, 23.622), "resolutionunit": 4}, "600 dpi"),
    ],
)
def test_print_resolution_is_no_pixel_size_in_any_unit(counted, written, said):
    size, facts, error = counted(**written)
    assert (size, facts["pixel_size_source"]) == (None, "unknown")
    assert said in facts["notices"][0]
    assert error == f"a.tif: {facts['notices'][0]}\n"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"imagej": True, "resolution": (1, 1), "metadata": {"unit": "mm"}}, "1000 µm"),
        ({"imagej": True, "resolution": (300, 300), "metadata": {"unit": "um"}}, "0.003333 µm"),
        ({"resolution": (1e7, 1e7), "resolutionunit": "CENTIMETER"}, "0.001 µm"),
        ({"resolution": (80, 80), "resolutionunit": "CENTIMETER"}, "125 µm"),
        ({"name": "a.ome.tif", "metadata": OME | {"PhysicalSizeX": 5e5, "PhysicalSizeY": 5e5}}, "5e+05 µm"),
        (
            {"name": "a.ome.tif", "metadata": OME | {"PhysicalSizeXUnit": "mm", "PhysicalSizeYUnit": "mm"}},
            "250 µm",
        ),
        ({"name": "a.ome.tif", "metadata": OME | {"PhysicalSizeX": 0}}, "'0 µm'"),
        ({"name": "a.ome.tif", "metadata": OME | {"PhysicalSizeX": -0.25}}, "'-0.25 µm'"),
        ({"name": "a.ome.tif", "metadata": OME | {"PhysicalSizeX": float("nan")}}, "'nan µm'"),
        ({"name": "a.ome.tif", "metadata": OME | {"PhysicalSizeY": float("inf")}}, "'inf µm'"),
        ({"name": "a.ome.tif", "metadata": OME | {"PhysicalSizeY": 0.4}}, "0.25 x 0.4 µm"),
        ({"imagej": True, "resolution": (4, 2), "metadata": {"unit": "um"}}, "0.25 x 0.5 µm"),
        ({"resolution": (50000, 25000), "resolutionunit": "CENTIMETER"}, "0.2 x 0.4 µm"),
        ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "sec"}}, "'sec'"),
    ],
)
def test_what_no_microscope_has_is_unknown_and_the_value_is_told(counted, written, said):
    size, facts, error = counted(**written)
    assert (size, facts["pixel_size_source"]) == (None, "unknown")
    assert said in facts["notices"][0]
    assert "unknown" in facts["notices"][0]
    assert said in error


@pytest.mark.parametrize("unit", ["µm", "um", "micron", "microns", "Micron", "\\u00B5m", "nm", "mm", "cm"])
def test_imagej_units_of_length(counted, unit):
    per_um = {"nm": 1e-3, "mm": 1e3, "cm": 1e4}.get(unit, 1)
    description = f"ImageJ=1.54f\nunit={unit}\n".encode("latin-1")
    extra = [(270, "s", len(description), description, True)]
    size, _, error = counted(resolution=(4 * per_um, 4 * per_um), resolutionunit=1, extratags=extra, metadata=None)
    assert size == pytest.approx(0.25, rel=1e-3)
    assert error == ""


@pytest.mark.parametrize("unit", ["pixel", "pixels", ""])
def test_imagej_images_without_a_scale_are_unknown_and_that_is_no_news(counted, unit):
    size, facts, error = counted(imagej=True, resolution=(1, 1), metadata={"unit": unit})
    assert (size, facts["notices"], error) == (None, [], "")


@pytest.mark.parametrize("unit", ["pixel", "reference frame"])
def test_ome_images_without_a_scale_are_unknown_and_that_is_no_news(counted, unit):
    metadata = OME | {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    size, facts, error = counted(name="a.ome.tif", metadata=metadata)
    assert (size, facts["notices"], error) == (None, [], "")


@pytest.mark.parametrize(
    ("unit", "um"),
    [("nm", 1e-3), ("mm", 1e3), ("m", 1e6), ("Å", 1e-4), ("pm", 1e-6), ("in", 25400), ("pt", 25400 / 72)],
)
def test_ome_units_of_length(counted, unit, um):
    metadata = {"axes": "YX", "PhysicalSizeX": 0.25 / um, "PhysicalSizeY": 0.25 / um}
    metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    size, facts, _ = counted(name="a.ome.tif", metadata=metadata)
    assert size == pytest.approx(0.25, rel=1e-3)
    assert facts["pixel_size_source"] == "ome"


def test_one_side_of_a_pixel_stands_for_both_and_that_is_told(counted):
    size, _, error = counted(name="a.ome.tif", metadata={"axes": "YX", "PhysicalSizeX": 0.25})
    assert size == pytest.approx(0.25)
    assert "width of a pixel alone, 0.25 µm" in error


def test_a_pixel_size_that_is_given_is_taken_and_an_unusual_one_is_told(counted):
    inch = {"imagej": True, "resolution": (300, 300), "metadata": {"unit": "inch"}}
    assert counted("--pixel-size", 0.2, **inch)[::2] == (0.2, "")
    for given in (0.002, 50):
        size, facts, error = counted("--pixel-size", given, **inch)
        assert (size, facts["pixel_size_source"]) == (given, "user")
        assert f"{given} µm is unusual" in error
        assert error == f"a.tif: {facts['notices'][0]}\n"


@pytest.mark.parametrize("given", [0.0005, 101, "nan", "inf", 0, -1])
def test_a_pixel_size_that_cannot_be_is_refused(tmp_path, given, capsys):
    tifffile.imwrite(tmp_path / "a.tif", slide())
    assert cli.main(["count", str(tmp_path / "a.tif"), "-o", str(tmp_path / "out"), f"--pixel-size={given}"]) == 2
    assert "cannot be right" in capsys.readouterr().err


def test_what_many_images_have_in_common_is_said_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engines, "load", loader(BlobEngine()))
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", slide(seed=number), resolution=(300, 300), resolutionunit="INCH")
    model = model_folder(tmp_path / "model")
    assert cli.main(["count", str(tmp_path), "-o", str(tmp_path / "out"), "--model", str(model)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("0.tif and 2 more images: The file states 300 dpi")


def test_ome_xml_that_names_other_files_is_not_followed(counted):
    xml = '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY x SYSTEM "file:///etc/hostname">]><OME>&x;</OME>'
    size, facts, _ = counted(name="a.ome.tif", description=xml, metadata=None)
    assert size is None
    assert "OME-XML is damaged" in facts["notices"][0]
