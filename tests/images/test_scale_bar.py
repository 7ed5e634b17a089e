"""Scale bars that are burned into images: found, measured and read, in Python and from the command line."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

import napari_diatom as nd
from napari_diatom.cli.app import main
from napari_diatom.core.errors import InputError
from napari_diatom.images import label_ocr, scale_label
from napari_diatom.images.scale_label import label_of_words, parse_label

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


def field(ink: tuple[int, int, int] = BLACK, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Return a grainy field, dark for white ink."""
    middle = 70 if ink == WHITE else 170
    grain = np.random.default_rng(5).normal(middle, 6, (size[1], size[0], 1))
    return Image.fromarray(np.repeat(np.clip(grain, 0, 255).astype(np.uint8), 3, axis=2))


def drawn(
    length: int = 150,
    label: str = "20 um",
    ink: tuple[int, int, int] = BLACK,
    place: tuple[int, int] = (400, 440),
    thick: int = 5,
    ticks: bool = False,
) -> Image.Image:
    image = field(ink)
    pen = ImageDraw.Draw(image)
    x, y = place
    pen.rectangle((x, y, x + length - 1, y + thick - 1), fill=ink)
    for at in (x, x + length - 3) if ticks else ():
        pen.rectangle((at, y - 5, at + 2, y + thick + 4), fill=ink)
    pen.text((x + length // 2, y - 10), label, fill=ink, font=ImageFont.load_default(24), anchor="md")
    return image


@settings(max_examples=15, deadline=None)
@given(
    length=st.integers(40, 220),
    x=st.integers(20, 380),
    thick=st.integers(2, 9),
    ink=st.sampled_from([BLACK, WHITE, RED]),
    ticks=st.booleans(),
)
def test_the_length_is_right_within_a_pixel(
    length: int, x: int, thick: int, ink: tuple[int, int, int], ticks: bool
) -> None:
    bar = nd.find_scale_bar(np.asarray(drawn(length, "", ink, (x, 440), thick, ticks)))
    assert bar is not None
    assert bar.length_px == pytest.approx(length, abs=1)
    assert bar.place == pytest.approx((x, 440, x + length, 440 + thick), abs=1)
    assert bar.label is None
    assert bar.pixel_size_um is None


@pytest.mark.parametrize(
    ("label", "um"), [("20 um", 20), ("5um", 5), ("100 um", 100), ("2.5 um", 2.5), ("500 nm", 0.5), ("1 mm", 1000)]
)
def test_the_label_is_read(label: str, um: float) -> None:
    bar = nd.find_scale_bar(np.asarray(drawn(label=label)))
    assert bar is not None
    assert bar.label is not None
    assert bar.label.length_um == pytest.approx(um)
    assert bar.pixel_size_um == pytest.approx(um / 150, rel=0.01)


def test_what_is_no_scale_bar() -> None:
    assert nd.find_scale_bar(np.asarray(field())) is None
    with_text = field()
    ImageDraw.Draw(with_text).text((20, 20), "Sample 17, x1000", fill=BLACK, font=ImageFont.load_default(30))
    assert nd.find_scale_bar(np.asarray(with_text)) is None
    framed = np.asarray(field()).copy()
    framed[:6] = framed[-6:] = 0
    framed[:, :6] = framed[:, -6:] = 0
    assert nd.find_scale_bar(framed) is None
    ruled = np.asarray(field()).copy()
    for y in range(60, 460, 40):
        ruled[y : y + 3, 100:400] = 0
    assert nd.find_scale_bar(ruled) is None
    with pytest.raises(InputError, match="stitched scan"):
        nd.find_scale_bar(np.broadcast_to(np.uint8(200), (12_000, 12_000)))


def test_labels_that_people_give() -> None:
    assert parse_label("20um").length_um == 20
    assert parse_label(" 2,5 μm ").text == "2,5 µm"
    assert parse_label("500 nm").length_um == 0.5
    assert parse_label("10 microns").length_um == 10
    for wrong in ("", "20", "um", "0 µm", "20 inch", "-5 µm"):
        with pytest.raises(InputError, match="is not the length of a scale bar"):
            parse_label(wrong)
    bar = nd.find_scale_bar(np.asarray(drawn(label="")), label="30 µm")
    assert bar is not None
    assert bar.pixel_size_um == pytest.approx(0.2, rel=0.01)


def test_the_command_shows_both_pixel_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tifffile

    drawn().save(tmp_path / "plain.png")
    field().save(tmp_path / "without.png")
    drawn(label="").save(tmp_path / "unread.png")
    for name, stated in (("agrees.ome.tif", 20 / 150), ("differs.ome.tif", 0.1)):
        metadata: dict[str, Any] = {"axes": "YXS", "PhysicalSizeX": stated, "PhysicalSizeXUnit": "µm"}
        metadata |= {"PhysicalSizeY": stated, "PhysicalSizeYUnit": "µm"}
        tifffile.imwrite(tmp_path / name, np.asarray(drawn()), photometric="rgb", metadata=metadata)
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert main(["scale", str(tmp_path), "--csv", str(tmp_path / "scale.csv")]) == 3
    printed = capsys.readouterr()
    assert "broken.png" in printed.err
    with (tmp_path / "scale.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["image"]: row for row in csv.DictReader(stream)}
    assert rows["plain.png"]["label"] == "20 µm"
    assert float(rows["plain.png"]["pixel_size_um"]) == pytest.approx(20 / 150, rel=0.01)
    assert rows["plain.png"]["stated_um"] == rows["plain.png"]["remark"] == ""
    assert rows["without.png"]["remark"] == "no scale bar"
    assert rows["unread.png"]["remark"].startswith("label not read")
    assert rows["agrees.ome.tif"]["remark"] == ""
    assert rows["differs.ome.tif"]["remark"] == "differs by 33 % from what the file states"
    assert main(["scale", str(tmp_path / "unread.png"), "--label", "15 um"]) == 0
    assert capsys.readouterr().out.endswith(" 0.1\n")
    assert main(["scale", str(tmp_path / "unread.png"), "--label", "15"]) == 2


def in_script() -> np.ndarray[Any, Any]:
    """Return a field whose label is in letters that no template is like."""
    pixels = np.array(drawn(160, "", WHITE, (400, 440)))
    cv2.putText(pixels, "20 um", (430, 428), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 0.9, WHITE, 2, cv2.LINE_AA)
    return pixels


def test_letters_of_any_kind_are_read_where_rapidocr_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidocr")
    bar = nd.find_scale_bar(in_script())
    assert bar is not None
    assert bar.label is not None
    assert bar.label.text == "20 µm"
    assert 0.8 <= bar.label.likeness <= 1
    assert bar.pixel_size_um == pytest.approx(20 / 160, rel=0.01)
    # Without it, a person is asked.
    monkeypatch.setattr(scale_label, "words_on", lambda pixels: [])
    bar = nd.find_scale_bar(in_script())
    assert bar is not None
    assert bar.label is None


def test_an_installation_without_its_models_reads_nothing_and_asks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("rapidocr")
    monkeypatch.setattr(label_ocr, "_CLASSIFIER", "of another version.onnx")
    label_ocr._reader.cache_clear()
    try:
        assert label_ocr.words_on(in_script()[380:460, 350:600]) == []
    finally:
        label_ocr._reader.cache_clear()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([("20μm", 0.9)], "20 µm"),
        ([("20", 0.9), ("um", 0.85)], "20 µm"),
        ([("Objective 40x", 0.99), ("0.5 mm", 0.9)], "0.5 mm"),
        ([("20 µm", 0.9), ("0.02 mm", 0.9)], "0.02 mm"),
        ([("20 µm", 0.9), ("50 µm", 0.9)], ""),
        ([("slide 7", 0.9)], ""),
        ([], ""),
    ],
)
def test_words_that_say_one_length_are_a_label(words: list[tuple[str, float]], text: str) -> None:
    label = label_of_words(words)
    assert ("" if label is None else label.text) == text


@pytest.mark.parametrize(("width", "height"), [(36, 24), (60, 40), (120, 70)])
def test_the_wall_of_a_cell_is_no_bar(width: int, height: int) -> None:
    image = field()
    ImageDraw.Draw(image).rectangle((200, 120, 200 + width, 120 + height), outline=BLACK, width=2)
    assert nd.find_scale_bar(np.asarray(image)) is None
