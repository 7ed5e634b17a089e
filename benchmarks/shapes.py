"""How near the outlines of the synthetic slides come to those of real valves, one PNG file each.

A real outline is covered when the nearest of all drawn ones, in its four mirror images, lies within 3 % of its length
(Hausdorff distance, both brought to length 1 and centred).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fields import SET_UP
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from diatom_training.synthesis.families import FAMILIES, draw_valve_outline, draw_width

WITHIN = 0.03
TARGET = 85 / 89
"""Share of the real outlines that has to be covered."""
_POINTS = 240
_BINS = np.linspace(-0.5, 0.5, 33)
_SHORTLIST = 60

Points = NDArray[np.float64]


def main() -> int:
    """Draw outlines and print the nearest one's distance for each real outline."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="shapes.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="PNG files of black valves, apical axis upright")
    parser.add_argument("--draws", type=int, default=5000, help="outlines to draw (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (%(default)s)")
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), help="to draw from (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    figures = coverage(options.folder, options.draws, options.seed, tuple(options.families))
    for name, found in sorted(figures.items(), key=lambda item: item[1]["distance"]):
        print(f"{name:8}{100 * found['distance']:7.2f} %  {found['family']}")
    covered = sum(found["distance"] <= WITHIN for found in figures.values())
    print(f"{covered} of {len(figures)} within {100 * WITHIN:g} % of the length; asked {TARGET:.1%}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if covered >= TARGET * len(figures) else 1


def coverage(folder: Path, draws: int, seed: int, families: tuple[str, ...] = FAMILIES) -> dict[str, dict[str, Any]]:
    """Return the distance to the nearest drawn outline, as a share of the length, and its family, by file."""
    rng = np.random.default_rng(seed)
    rings, names, profiles = [], [], []
    for index in range(draws):
        family = families[index % len(families)]
        drawn = normalised(draw_valve_outline(rng, family, 500.0, draw_width(rng, family, 500.0)).polygon())
        for mirror in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            ring = drawn * mirror
            rings.append(ring)
            names.append(family)
            profiles.append(_profile(ring))
    table = np.array(profiles)
    figures = {}
    for path in sorted(folder.glob("*.png")):
        ring = silhouette(path)
        # The margins' largest difference tells which outlines are worth measuring.
        near = np.argsort(np.abs(table - _profile(ring)).mean(axis=1))[:_SHORTLIST]
        distance, best = min((hausdorff(ring, rings[i]), int(i)) for i in near)
        figures[path.stem] = {"distance": distance, "family": names[best]}
    return figures


def silhouette(path: Path) -> Points:
    """Return the outline of a black shape, apical axis along x, normalised."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise SystemExit(f"{path} cannot be read as an image.")
    grey = image.astype(np.float64)
    if image.ndim == 3:
        opacity = grey[..., 3] / 255 if image.shape[2] == 4 else 1.0
        grey = grey[..., :3].mean(axis=-1) * opacity + 255 * (1 - opacity)
    contours, _ = cv2.findContours((grey < 128).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=cv2.contourArea)[:, 0, ::-1].astype(np.float64)
    return normalised(largest)


def normalised(ring: Points) -> Points:
    """Return points at equal distances on a ring of length 1, centred on its bounds."""
    ring = ring - 0.5 * (ring.min(axis=0) + ring.max(axis=0))
    ring = ring / np.ptp(ring[:, 0])
    closed = np.concatenate([ring, ring[:1]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    wanted = np.linspace(0, along[-1], _POINTS, endpoint=False)
    return np.column_stack([np.interp(wanted, along, closed[:, axis]) for axis in (0, 1)])


def hausdorff(first: Points, second: Points) -> float:
    """Return the largest distance from a point of one ring to the other."""
    return float(max(cKDTree(second).query(first)[0].max(), cKDTree(first).query(second)[0].max()))


def _profile(ring: Points) -> Points:
    """Highest and lowest point in each of 32 sections of the length."""
    section = np.clip(np.digitize(ring[:, 0], _BINS) - 1, 0, 31)
    top, bottom = np.full(32, -1.0), np.full(32, 1.0)
    np.maximum.at(top, section, ring[:, 1])
    np.minimum.at(bottom, section, ring[:, 1])
    empty = top < bottom
    places = np.arange(32)
    for side in (top, bottom):
        side[empty] = np.interp(places[empty], places[~empty], side[~empty])
    return np.concatenate([top, bottom])


if __name__ == "__main__":
    raise SystemExit(main())
