"""A whole season of rendered samples, from the fields to the tables and exports, with the truth known.

Twelve samples of forty fields are rendered into a folder, which is kept. Then

- they are counted and tallied from the command line, with a model that answers the truth (``true_model.py``): every
  count, share, verdict of the stop rule, and every count in every export has to be exact;
- the same is done by a program that is killed (SIGKILL) again and again, and gone on with: it has to end with the same
  bytes;
- one sample is counted in the window, field by field, by keys: the figures of the dock and of the tally that it writes
  have to be those of the command line;
- they are counted with a bundled model, and named by a model that learned the groups from other slides. Both were
  tested on slides of their own by ``evaluate``: the counts have to be those that the test lets one expect, and the
  shares that ``tally --evaluation`` corrects have to be within their intervals as often as these say.

Needs ``.[test]`` too, and on Linux without a screen Xvfb and the system libraries of Qt, which ``scripts/test``
installs. Run with ``xvfb-run -a -s '-screen 0 1366x768x24' python benchmarks/season.py WORK``.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from command import run
from counted_bytes import counted_bytes
from fields import SET_UP
from season_exports import READERS, exported, rows
from season_fields import FIELDS, PIXEL_SIZE_UM, SAMPLES, TAXA, Season, SeasonPlan, TrueSpecimen, make_season
from true_model import model_of, with_truth

from napari_diatom.core.errors import InputError
from napari_diatom.samples.protocol import SampleProtocol, write_protocol

PROTOCOL: Final = "protocol.yaml"
_COUNTS: Final = frozenset({"valve", "girdle", "frustule", "unidentified", "teratological"})
"""What the protocol counts, each as one."""
_NEXT_FIELD: Final = frozenset({"left", "top"})
"""Edges across which a specimen belongs to the next field."""
TARGET_PER_FIELD: Final = 10
"""Of forty fields, the 400 of EN 14407: about half of the samples have them."""
_PATIENCE_S: Final = 600.0
DATASET: Final = ("--dataset-title", "A rendered season", "--dataset-owner", "napari-diatom")


class Verdicts:
    """What was compared, and whether it is as it has to be."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}
        self.is_right = True

    def note(self, what: str, is_right: bool, figure: object = "") -> None:
        """Print a line, and keep it."""
        print(f"{'right' if is_right else 'WRONG':8}{what}{f': {figure}' if figure != '' else ''}", flush=True)
        self.figures[what] = {"right": is_right, "figure": figure}
        self.is_right &= is_right

    def tell(self, what: str, figure: object) -> None:
        """Print a figure that nothing is asked of, and keep it."""
        print(f"{'':8}{what}: {figure}", flush=True)
        self.figures[what] = {"figure": figure}


def main() -> int:
    """Render, count and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="season.py WORK"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    plan = SeasonPlan()
    parser.add_argument("work", type=Path, help="folder for the fields, which are kept, and for all that is counted")
    parser.add_argument("--samples", type=int, default=plan.samples, help="how many (%(default)s)")
    parser.add_argument("--fields", type=int, default=plan.fields, help="of each sample (%(default)s)")
    parser.add_argument("--slides", type=int, default=plan.slides, help="to learn names from; as many to test on")
    parser.add_argument("--size", default=f"{plan.height}x{plan.width}", help="height x width in px (%(default)s)")
    parser.add_argument("--seed", type=int, default=plan.seed, help="another seed gives another season (%(default)s)")
    parser.add_argument("--processes", type=int, default=0, help="to render with (as many as there are processors)")
    parser.add_argument("--kills", type=int, default=3, help="of a count, before it may end (%(default)s)")
    parser.add_argument("--model", default="diatom-obb", help="model that finds specimens (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=tuple(STEPS), help="some of the steps; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return run(parser, _run)


def _run(options: argparse.Namespace) -> int:
    height, width = (int(side) for side in options.size.split("x"))
    plan = SeasonPlan(
        options.samples, options.fields, slides=options.slides, height=height, width=width, seed=options.seed
    )
    season = make_season(options.work, plan, options.processes)
    print(f"{len(season.samples)} samples, {len(season.images)} fields, {len(season.specimens)} specimens\n")
    verdicts = Verdicts()
    for name, step in STEPS.items():
        if options.only is None or name in options.only:
            step(season, verdicts, options)
    if options.json:
        options.json.write_text(json.dumps(verdicts.figures, indent=1) + "\n", encoding="utf-8")
    return int(not verdicts.is_right)


def count_words(season: Season, out: Path, model: object = None) -> list[object]:
    """Return the command that counts the fields of a season."""
    given = model_of(season) if model is None else model
    return ["count", season.folder / FIELDS, "-o", out, "--model", given, "--pixel-size", PIXEL_SIZE_UM]


def tally_words(season: Season, source: Path, out: Path) -> list[object]:
    """Return the command that tallies what was counted, with all exports."""
    tables = ("--samples", season.folder / SAMPLES, "--taxa", season.folder / TAXA)
    return ["tally", source, "-o", out, "--protocol", protocol_of(season), *tables, "--export", *READERS, *DATASET]


def protocol_of(season: Season) -> Path:
    """Write the protocol of a season, objects with the edge rule of EN 15204, and return its file."""
    target = TARGET_PER_FIELD * season.plan.fields
    path = season.folder / PROTOCOL
    write_protocol(path, SampleProtocol(name="season", unit="object", edges="not_top_left", target=target))
    return path


def by_command(season: Season, verdicts: Verdicts, options: argparse.Namespace | None = None) -> None:
    """Count and tally from the command line with the truth as the model's answer, and compare with the truth."""
    del options
    counted, tally = fresh(season, "count"), fresh(season, "tally")
    do(season, *count_words(season, counted))
    do(season, *tally_words(season, counted, tally))
    truth = true_counts(season)
    found = rows(tally / "sample_taxon.csv")
    numbers = +Counter({(row["sample"], row["taxon"]): int(row["count"]) for row in found})
    verdicts.note("counts of the command line are the truth", numbers == truth, difference(numbers, truth))
    totals = {sample: sum(n for (of, _), n in truth.items() if of == sample) for sample in season.samples}
    shares = {(row["sample"], row["taxon"]): row["share"] for row in found if row["share"]}
    true_shares = {key: f"{number / totals[key[0]]:.6f}" for key, number in truth.items()}
    verdicts.note("shares are the truth", shares == true_shares)
    stops = {row["sample"]: (row["may_stop"], row["fields_to_target"]) for row in rows(tally / "samples.csv")}
    true_stops = {sample: true_stop(season, sample) for sample in season.samples}
    may = sum(stop == "yes" for stop, _ in true_stops.values())
    verdicts.note("the stop rule says what the truth says", stops == true_stops, f"{may} of {len(stops)} may end")
    for name, said in exported(tally / "exports", season.folder / TAXA).items():
        verdicts.note(f"counts read back from {name} are the truth", said == truth, difference(said, truth))


def killed(season: Season, verdicts: Verdicts, options: argparse.Namespace) -> None:
    """Count and tally in programs that are killed and started again, and compare the bytes with those of one run."""
    counted, tally = season.folder / "count", season.folder / "tally"
    again, tally_again = fresh(season, "count-killed"), fresh(season, "tally-killed")
    words, places = count_words(season, again), again / "annotations"
    fields, kills = len(season.images), options.kills
    for number in range(kills):
        least = (number + 1) * fields // (kills + 1)
        more = ["--resume"] if number else []
        seen = kill(season, [*words, *more], lambda least=least: len(list(places.rglob("*.geojson"))) >= least)
        is_resumed = "" if number else " first"
        verdicts.note(f"count was killed in the middle, kill {number + 1}{is_resumed}", seen)
    do(season, *words, "--resume")
    verdicts.note("count that was killed has the bytes of one run", counted_bytes(again) == counted_bytes(counted))
    words = tally_words(season, counted, tally_again)
    for first in ("sample_taxon.csv", "taxa.csv"):
        seen = kill(season, [*words, "--overwrite"], (tally_again / first).exists)
        verdicts.note(f"tally was killed once {first} was there", seen)
    do(season, *words, "--overwrite")
    verdicts.note("tally that was killed has the bytes of one run", tally_bytes(tally_again) == tally_bytes(tally))


def in_window(season: Season, verdicts: Verdicts, options: argparse.Namespace) -> None:
    """Count a sample in the window, and compare with the command line."""
    import os

    os.environ["NAPARI_CONFIG"] = str(season.folder / "settings.yaml")
    os.environ.setdefault("QT_API", "pyqt6")
    import napari
    from season_window import count_sample

    del options
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    count_sample(season, verdicts, viewer, protocol_of(season))
    viewer.close()


def with_model(season: Season, verdicts: Verdicts, options: argparse.Namespace) -> None:
    """Count with a model, and compare with what its test lets one expect."""
    import season_model

    season_model.count_season(season, verdicts, options.model)


STEPS: Final[dict[str, Callable[[Season, Verdicts, argparse.Namespace], None]]] = {
    "command": by_command,
    "kills": killed,
    "window": in_window,
    "model": with_model,
}
"""What is done, in this order; those behind the first one compare with it."""


def counts_by_protocol(specimen: TrueSpecimen) -> bool:
    """Return whether a specimen counts by the protocol."""
    return specimen.status in _COUNTS and not specimen.edges & _NEXT_FIELD


def true_counts(season: Season) -> Counter[tuple[str, str]]:
    """Return what the protocol counts of the truth, by sample and group."""
    return Counter((one.sample, one.group) for one in season.specimens if counts_by_protocol(one))


def true_stop(season: Season, sample: str) -> tuple[str, str]:
    """Return whether the count of a sample may end, and after how many fields its target is reached."""
    by_field = Counter(one.image for one in season.specimens if one.sample == sample and counts_by_protocol(one))
    total, fields = 0, 0
    for image in sorted(name for name in season.images.values() if name.startswith(f"{sample}_")):
        total, fields = total + by_field[image], fields + 1
        if total >= TARGET_PER_FIELD * season.plan.fields:
            return "yes", str(fields)
    return "no", ""


def difference(found: Counter[tuple[str, str]], truth: Counter[tuple[str, str]]) -> str:
    """Return how many cells there are, and which differ."""
    wrong = [f"{key}: {found[key]} not {truth[key]}" for key in sorted(found | truth) if found[key] != truth[key]]
    return "; ".join(wrong) or f"{sum(truth.values())} specimens in {len(truth)} cells"


def fresh(season: Season, name: str) -> Path:
    """Return a folder in that of the season that is not there."""
    out = season.folder / name
    shutil.rmtree(out, ignore_errors=True)
    return out


def do(season: Season, *words: object) -> None:
    """Give a command to ``napari-diatom`` with the truth as the model's answer; raises InputError where it fails."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = with_truth(season, *words)
    if code:
        raise InputError(f"napari-diatom {' '.join(map(str, words))} ended with exit code {code}.")


def kill(season: Season, words: list[object], until: Callable[[], bool]) -> bool:
    """Give a command to ``napari-diatom`` in a program that is killed once something is so; return whether it was."""
    script = Path(__file__).with_name("true_model.py")
    command = [sys.executable, str(script), str(season.folder), *map(str, words)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + _PATIENCE_S
    while child.poll() is None and not until() and time.monotonic() < end:
        time.sleep(0.002)
    child.kill()
    return child.wait() < 0 if sys.platform != "win32" else child.wait() != 0


def tally_bytes(folder: Path) -> dict[str, bytes]:
    """Return the files of a tally, and workbooks and archives by what is in them; without the time of the tally."""
    import zipfile

    files: dict[str, bytes] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".xlsx":
            files[name] = workbook(path)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                files |= {f"{name}/{part}": archive.read(part) for part in archive.namelist()}
        elif path.name == "provenance.json":
            facts = json.loads(path.read_text(encoding="utf-8"))
            files[name] = json.dumps(facts | {"tallied": ""}).encode()
        else:
            files[name] = path.read_bytes()
    return files


def workbook(path: Path) -> bytes:
    """Return the cells of all sheets of a workbook but that of the provenance."""
    from python_calamine import CalamineWorkbook

    book, text = CalamineWorkbook.from_path(path), io.StringIO()
    for sheet in book.sheet_names:
        if sheet != "provenance":
            csv.writer(text).writerows([[sheet], *book.get_sheet_by_name(sheet).to_python()])
    return text.getvalue().encode()


if __name__ == "__main__":
    raise SystemExit(main())
