"""The table of all specimens: read a few rows at a time, and refused when it does not fit its run."""

from __future__ import annotations

import pytest

from helpers.counting import count, rows, save
from napari_diatom.core.errors import InputError
from napari_diatom.counting.counted_specimens import CountedSpecimens
from napari_diatom.counting.folder_export import export_specimens


@pytest.fixture
def out(tmp_path):
    for k in range(3):
        save(tmp_path / "river" / f"a, b{k}.png", k + 2, k)
    assert count(tmp_path / "river", "-o", tmp_path / "out") == 0
    return tmp_path / "out"


def repeat(out, times):
    """Make the table longer."""
    header, *lines = (out / "specimens.csv").read_text().splitlines(keepends=True)
    (out / "specimens.csv").write_text(header + "".join(lines * times))


def test_any_row_is_read_from_a_long_table(out):
    expected = [tuple(row.values()) for row in rows(out / "specimens.csv")]
    repeat(out, 200)
    found = CountedSpecimens.of(out)
    assert len(found) == 200 * len(expected)
    assert found.columns[:3] == ("sample", "file", "plane")
    for number in (len(found) - 1, 0, 255, 256, 257):
        row = found.row(number)
        assert row[3:] == expected[number % len(expected)]
        assert row[:3] == ("river", row[3], "")
    assert found.first_row("a, b1.png") == 2
    assert list(found.rows())[256] == found.row(256)


@pytest.mark.parametrize("change", ["cut", "gone", "foreign"])
def test_a_table_that_was_changed_is_refused(out, tmp_path, change):
    found = CountedSpecimens.of(out)
    path = out / "specimens.csv"
    if change == "gone":
        path.unlink()
    elif change == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    else:
        path.write_text(path.read_text().replace("a, b1", "c, d1"))
    with pytest.raises(InputError, match=r"specimens\.csv|no finished tables"):
        found.row(len(found) - 1 if change == "cut" else 2)
    if change != "cut":
        with pytest.raises(InputError):
            export_specimens(out, tmp_path / "all.csv")
        assert not (tmp_path / "all.csv").exists()
