"""A rendered season counted with a model that finds specimens and one that names them, beside what their tests say."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from scipy import stats
from season_exports import rows
from season_fields import FIELDS, PARTS, PIXEL_SIZE_UM, SLIDES, Season

from diatom_training.metrics.detection_metrics import match
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError

LEVEL: Final = 0.95
"""Of the intervals."""
_SURE: Final = 0.01
"""Chance below which as few as were within their intervals are too few."""


class Noting(Protocol):
    """Keeps what was compared."""

    def note(self, what: str, is_right: bool, figure: object = "") -> None:
        """Keep whether something is as it has to be."""

    def tell(self, what: str, figure: object) -> None:
        """Keep a figure."""


def count_season(season: Season, verdicts: Noting, model: str) -> None:
    """Count and name all samples, test both models on the slides, and compare.

    Parameters
    ----------
    season : Season
        With slides.
    verdicts : Noting
        Takes what is compared.
    model : str
        The model that finds specimens.
    """
    learned, tested = (season.folder / SLIDES / part for part in PARTS)
    namer, out = season.folder / "groups.diatom-model", season.folder / "found"
    found_test, named_test = season.folder / "test-found", season.folder / "test-named"
    for folder in (out, season.folder / "found-tally", found_test, named_test):
        shutil.rmtree(folder, ignore_errors=True)
    _do("names", "learn", learned, "-o", namer, "--overwrite")
    group = ("--group", r"(test\d+)_")
    _do("evaluate", namer, tested, "-o", named_test, *group)
    _do("evaluate", model, tested, "-o", found_test, *group, "--one-class", "diatom")
    words = ("--model", model, "--namer", namer, "--pixel-size", PIXEL_SIZE_UM, "--no-overlays")
    _do("count", season.folder / FIELDS, "-o", out, *words)
    _do("tally", out, "-o", season.folder / "found-tally", "--protocol", "plain", "--evaluation", named_test)
    report = json.loads((found_test / "report.json").read_text(encoding="utf-8"))
    matched = _matched(season, out)
    _finds(report, season, matched, verdicts)
    _counts(report["detection"]["counts"], season, matched, verdicts)
    _shares(rows(season.folder / "found-tally" / "name_errors.csv"), season, matched, verdicts)


class _Matched:
    """What was found of a sample: how many, and the true groups of those that are specimens."""

    def __init__(self) -> None:
        self.truth: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        self.found = 0


def _matched(season: Season, out: Path) -> dict[str, _Matched]:
    """Return what was found of each sample."""
    by_image: dict[str, list[list[float]]] = defaultdict(list)
    for row in rows(out / "specimens.csv"):
        numbers = [float(row[name]) for name in ("x_px", "y_px", "length_px", "width_px", "angle_deg")]
        by_image[Path(row["image"]).stem].append([*numbers[:4], math.radians(numbers[4])])
    samples = {sample: _Matched() for sample in season.samples}
    for image in season.images.values():
        truth, found = season.truth(image), Detections.of(np.reshape(by_image[image], (-1, 5)))
        _, whose = match(truth, found)
        sample = samples[image.split("_")[0]]
        groups = np.array(truth.classes)[truth.class_ids]
        sample.truth.update(groups.tolist())
        sample.right.update(groups[whose].tolist())
        sample.found += len(found)
    return samples


def _finds(report: Any, season: Season, matched: dict[str, _Matched], verdicts: Noting) -> None:
    """Compare precision and recall of the season with those of the test."""
    right = sum(sample.right.total() for sample in matched.values())
    of = {
        "precision": sum(sample.found for sample in matched.values()),
        "recall": sum(sample.truth.total() for sample in matched.values()),
    }
    for name, number in of.items():
        interval = report["intervals"][name]
        value, low, high = right / number, interval["low"], interval["high"]
        if low is None:
            verdicts.tell(f"{name} of what is found", f"{value:.3f}; too few slides for an interval")
            continue
        figure = f"{value:.3f} of {number}, test {interval['value']:.3f} ({low:.3f} to {high:.3f})"
        verdicts.note(f"{name} of what is found is within the interval of its test", low <= value <= high, figure)


def _counts(tested: Sequence[Any], season: Season, matched: dict[str, _Matched], verdicts: Noting) -> None:
    """Compare the found share of each sample with the interval for one more slide like those of the test."""
    ratios = np.log([slide["found"] / slide["truth"] for slide in tested])
    found = {sample: one.found / one.truth.total() for sample, one in matched.items()}
    told = ", ".join(f"{sample} {ratio:.2f}" for sample, ratio in found.items())
    if len(ratios) < 3:
        verdicts.tell("found of true specimens", f"{told}; too few slides for an interval")
        return
    reach = stats.t.ppf((1 + LEVEL) / 2, len(ratios) - 1) * ratios.std(ddof=1) * math.sqrt(1 + 1 / len(ratios))
    low, high = (math.exp(ratios.mean() + side * reach) for side in (-1, 1))
    within = sum(low <= ratio <= high for ratio in found.values())
    figure = f"{within} of {len(found)} within {low:.2f} to {high:.2f}; {told}"
    verdicts.note("found of true specimens as the test lets expect", are_enough(within, len(found)), figure)


def _shares(corrected: list[dict[str, str]], season: Season, matched: dict[str, _Matched], verdicts: Noting) -> None:
    """Count how often the true shares of groups are within the intervals that the tally gives."""
    bounds = {
        (row["sample"], row["taxon"]): (float(row["corrected_share_low"]), float(row["corrected_share_high"]))
        for row in corrected
    }
    named = {(row["sample"], row["taxon"]): float(row["share_of_all"]) for row in corrected}
    likely = {(row["sample"], row["taxon"]): float(row["corrected_share"]) for row in corrected}
    for what in ("right", "truth"):
        numbers = {sample: getattr(one, what) for sample, one in matched.items()}
        cells = {(sample, group) for sample, groups in numbers.items() for group in groups} | bounds.keys()
        true = {(sample, group): numbers[sample][group] / numbers[sample].total() for sample, group in cells}
        within = sum(bounds.get(key, (0, 0))[0] <= share <= bounds.get(key, (0, 0))[1] for key, share in true.items())
        off = [np.mean([abs(each.get(key, 0) - share) for key, share in true.items()]) for each in (named, likely)]
        figure = f"{within} of {len(cells)} ({within / len(cells):.0%}); mean error {off[1]:.4f}, as named {off[0]:.4f}"
        if what == "right":
            verdicts.note(
                "corrected shares of those found within their intervals", are_enough(within, len(cells)), figure
            )
        else:
            verdicts.tell("shares of all specimens, those too that were missed, within the intervals", figure)


def are_enough(within: int, number: int) -> bool:
    """Return whether as few as these may be within intervals of 95 % by chance."""
    return bool(stats.binom.cdf(within, number, LEVEL) >= _SURE)


def _do(*words: object) -> None:
    """Give a command to ``napari-diatom``, in a process of its own; raises InputError where it fails."""
    command = [sys.executable, "-m", "napari_diatom.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"napari-diatom {' '.join(map(str, words))} failed: {done.stderr}")
