"""Does Grad-CAM look at the valve? Its share within it, against that of the same network with random weights.

Each specimen is rendered alone, with the debris of a slide round it. Of a specimen that the network finds, the score
that it gives it is explained in the window that `napari-diatom explain` shows, twice as wide as the specimen is long.
The share is what of the map's sum lies within the valve of the truth, grown by one cell of the layer. A network with
random weights, that has learnt nothing, is asked for the same output at the same place (Adebayo et al. 2018, "Sanity
checks for saliency maps"). "area" is what part of the window that is: the share of a map that is the same everywhere.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import command
import numpy as np
import torch
from fields import SET_UP
from numpy.typing import NDArray

from diatom_training.explanation.explained_network import ExplainedNetwork
from diatom_training.explanation.explanation import HeatMap
from diatom_training.explanation.grad_cam import grad_cam
from diatom_training.explanation.network_opening import open_network
from diatom_training.explanation.specimen_views import ExplainedSpecimen, view_of
from diatom_training.synthesis import draw_options, render_field
from napari_diatom.core import cropped_masks
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import SlideImage, from_array
from napari_diatom.models import library

LENGTHS = (50.0, 250.0)
"""Of the specimens, in pixels."""


@dataclass(frozen=True)
class Share:
    """Shares of one specimen's maps within its valve, and the part of the window that this is."""

    trained: float
    untrained: float
    area: float


def specimens(seed: int, side: int) -> Iterator[tuple[SlideImage, ExplainedSpecimen]]:
    """Yield rendered fields of one whole specimen each; the same seed gives the same fields."""
    number = 0
    while True:
        rng = np.random.default_rng((seed, number))
        drawn = draw_options(rng, side, side)
        options = replace(
            drawn,
            specimens=(1, 1),
            length_px=LENGTHS,
            chain_share=0.0,
            colony_share=0.0,
            under_grains=0.0,
            view="camera",
            scale_bar=False,
            caption=False,
        )
        field = render_field(options, seed=int(rng.integers(2**31)))
        number += 1
        if len(field.truth) != 1 or field.truth.cut[0] or not field.truth.masks:
            continue
        outline = cropped_masks.trace_outline(field.truth.masks[0])
        box = field.truth.boxes[0].astype(np.float64)
        yield from_array(field.image, f"specimen {number}"), ExplainedSpecimen(number, box, outline)


def measure(
    trained: ExplainedNetwork, untrained: list[ExplainedNetwork], image: SlideImage, specimen: ExplainedSpecimen
) -> Share | None:
    """Return the shares of a specimen, None where the network does not find it."""
    view = view_of(trained.card, image, specimen, None)
    picture = trained.picture(view)
    try:
        target = trained.target(picture, view, specimen)
    except InputError:
        return None
    if target.score < trained.card.threshold():
        return None
    mask = view.mask_of(specimen.ring)
    cam = grad_cam(trained.network, picture, target)
    area = float(cam.grown(mask).mean())
    chance = [_share(grad_cam(network.network, picture, target), mask, area) for network in untrained]
    return Share(_share(cam, mask, 0.0), float(np.mean(chance)), area)


def _share(cam: HeatMap, mask: NDArray[np.bool_], empty: float) -> float:
    """Return the share of a map within a mask; ``empty`` for a map without values."""
    return cam.share_within(mask) if cam.values.any() else empty


def figures(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Return the figures of a model."""
    model = library.resolve_model(name)
    trained = open_network(model, options.device)
    untrained = []
    for seed in range(options.random):
        torch.manual_seed(seed)
        untrained.append(open_network(model, options.device, trained=False))
    shares: list[Share] = []
    missed = 0
    for image, specimen in specimens(options.seed, options.side):
        share = measure(trained, untrained, image, specimen)
        if share is None:
            missed += 1
        else:
            shares.append(share)
        if len(shares) >= options.specimens:
            break
    table = np.array([(share.trained, share.untrained, share.area) for share in shares])
    mean = table.mean(axis=0)
    return {
        "specimens": len(shares),
        "not found": missed,
        "share within the valve": float(mean[0]),
        "lowest tenth": float(np.quantile(table[:, 0], 0.1)),
        "with random weights": float(mean[1]),
        "times as much": float(mean[0] / mean[1]),
        "area": float(mean[2]),
    }


def main(options: argparse.Namespace) -> int:
    """Print the figures of the models."""
    torch.set_num_threads(options.threads)
    found: dict[str, Any] = {}
    for name in options.models:
        found[name] = figures(name, options)
        for key, value in found[name].items():
            print(f"{name:>18}  {key:<24}{value:8.3f}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="insides.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models",
        nargs="*",
        default=["diatom-obb", "diatom-deeplab"],
        metavar="MODEL",
        help="names or folders of models (diatom-obb and diatom-deeplab)",
    )
    parser.add_argument("--specimens", type=int, default=50, help="that are found, of each model (%(default)s)")
    parser.add_argument("--random", type=int, default=3, help="networks with random weights (%(default)s)")
    parser.add_argument("--side", type=int, default=640, help="of a field in px (%(default)s)")
    parser.add_argument("--seed", type=int, default=88, help="of the fields (%(default)s)")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the processor (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    raise SystemExit(command.run(parser, main))
