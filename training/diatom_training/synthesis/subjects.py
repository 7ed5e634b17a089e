"""The subjects beyond the classic slide: one family, colony, light, view or kind of debris at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from diatom_training.synthesis.families import CLASSIC_FAMILIES, FAMILIES
from diatom_training.synthesis.options import COLONIES, FieldOptions

_NEW_FAMILIES = tuple(family for family in FAMILIES if family not in CLASSIC_FAMILIES)

SUBJECTS: tuple[str, ...] = (
    *_NEW_FAMILIES,
    "blurred-diploneis",
    *COLONIES,
    "dark-field",
    "fluorescence",
    "eyepiece",
    "video",
    "crusts",
    "under-grains",
)
"""What :func:`draw_options` takes as ``subject``."""


def with_subject(rng: np.random.Generator, options: FieldOptions, subject: str) -> FieldOptions:
    """Return a description turned to a subject: most specimens, or the whole picture, show it.

    Parameters
    ----------
    rng
        Source of chance.
    options
        What is kept where the subject says nothing: size, light, camera, debris.
    subject
        One of :data:`SUBJECTS`.
    """
    if subject in _NEW_FAMILIES:
        return replace(options, **_of_family(rng, options, subject))
    if subject in COLONIES:
        return replace(options, **_of_colony(rng, options, subject))
    return replace(options, **_OTHERS[subject](rng, options))


def _extent(options: FieldOptions) -> float:
    return float(max(options.height, options.width))


def _crowd(rng: np.random.Generator, options: FieldOptions, most: float) -> tuple[int, int]:
    """Range of specimens for a field of this size; ``most`` is for 640 x 640 pixels."""
    area = min(options.height * options.width / 640**2, 1.6)
    upper = int(np.clip(most * rng.uniform(0.3, 1.0) * area, 1, 100))
    return math.ceil(0.5 * upper), upper


def _of_family(rng: np.random.Generator, options: FieldOptions, family: str) -> dict[str, Any]:
    extent = _extent(options)
    shortest = float(rng.choice((30.0, 45.0, 80.0)))
    return {
        "families": (family,),
        "needle_share": 0.0,
        "chain_share": 0.0,
        "specimens": _crowd(rng, options, 12),
        "length_px": (shortest, max(shortest, float(rng.uniform(0.25, 0.8)) * extent)),
        "living_share": min(options.living_share, 0.3),
        "pixel_size_um": options.pixel_size_um,
    }


def _of_colony(rng: np.random.Generator, options: FieldOptions, colony: str) -> dict[str, Any]:
    extent = _extent(options)
    low, high = {
        "living-chain": (0.25, 0.9),
        "asterionella": (0.08, 0.3),
        "bacillaria": (0.12, 0.45),
        "fragilaria": (0.08, 0.35),
        "crossed": (0.1, 0.5),
    }.get(colony, (0.05, 0.25))
    longest = max(24.0, float(rng.uniform(0.5, 1.0)) * high * extent)
    what: dict[str, Any] = {
        "colonies": (colony,),
        "colony_share": 1.0 if colony == "living-chain" else 0.85,
        "needle_share": min(options.needle_share, 0.1),
        "chain_share": 0.0,
        "specimens": _crowd(rng, options, 14 if colony in ("living-chain", "crossed") else 40),
        "length_px": (max(16.0, min(low * extent, longest)), longest),
        "living_share": float(rng.uniform(0.3, 1.0)) if colony != "crossed" else options.living_share,
    }
    if colony == "living-chain":
        # The finest needles are a fifth of a millimetre long and two or three micrometres wide.
        what["pixel_size_um"] = float(np.exp(rng.uniform(math.log(0.1), math.log(0.4))))
        what["defocus"] = float(rng.beta(1.6, 1.6))
    return what


def _blurred_diploneis(rng: np.random.Generator, options: FieldOptions) -> dict[str, Any]:
    extent = _extent(options)
    return {
        **_of_family(rng, options, "diploneioid"),
        "specimens": _crowd(rng, options, 6),
        "length_px": (max(30.0, 0.15 * extent), max(40.0, 0.6 * extent)),
        "contrast": float(rng.uniform(1.3, 2.5)),
        "blur_px": float(rng.uniform(1.8, 4.5)),
        "defocus": float(rng.uniform(0.4, 1.0)),
    }


def _dark_field(rng: np.random.Generator, options: FieldOptions) -> dict[str, Any]:
    grey = rng.uniform(0.02, 0.09)
    tint = np.clip(grey * (1 + 0.25 * rng.standard_normal(3)), 0.02, 0.2) if options.colour else np.full(3, grey)
    return {
        "modality": "dark-field",
        "background": tuple(float(v) for v in tint),
        "debris": 0.6 * options.debris,
        "scale_bar": bool(rng.random() < 0.3),
        "caption": bool(rng.random() < 0.2),
    }


def _fluorescence(rng: np.random.Generator, options: FieldOptions) -> dict[str, Any]:
    colour = bool(rng.random() < 0.85)
    haze = rng.uniform((0.02, 0.02, 0.03), (0.03, 0.05, 0.16)) if colour else np.full(3, rng.uniform(0.02, 0.08))
    needles = bool(rng.random() < 0.5)
    return {
        "modality": "fluorescence",
        "colour": colour,
        "background": tuple(float(v) for v in haze),
        "living_share": float(rng.uniform(0.85, 1.0)),
        "specimens": _crowd(rng, options, 14),
        "colonies": ("living-chain",) if needles else ("melosira", "fragilaria", "asterionella", "living-chain"),
        "colony_share": 0.7 if needles else 0.3,
        "debris": 0.4 * options.debris,
        "blur_px": float(rng.uniform(0.8, 2.4)),
        "scale_bar": bool(rng.random() < 0.5),
        "caption": bool(rng.random() < 0.5),
    }


def _eyepiece(rng: np.random.Generator, options: FieldOptions) -> dict[str, Any]:
    return {
        "view": "eyepiece",
        "bit_depth": 8,
        "colour": True,
        "jpeg_quality": int(rng.integers(60, 96)),
        "blur_px": float(rng.uniform(0.9, 2.4)),
        "uneven_light": float(rng.uniform(0.3, 1.0)),
        "scale_bar": False,
    }


def _video(rng: np.random.Generator, options: FieldOptions) -> dict[str, Any]:
    shortest, longest = options.length_px
    return {
        "view": "video",
        "bit_depth": 8,
        "jpeg_quality": None,
        "blur_px": float(rng.uniform(1.0, 2.6)),
        "noise": float(np.exp(rng.uniform(math.log(0.004), math.log(0.03)))),
        # Smaller ones cannot be resolved on so few lines.
        "length_px": (max(shortest, 44.0), max(longest, 60.0)),
        "caption": bool(rng.random() < 0.25),
    }


def _crusts(rng: np.random.Generator, options: FieldOptions) -> dict[str, Any]:
    return {"crusts": float(rng.uniform(0.3, 1.0)), "specimens": (0, max(1, options.specimens[1] // 2))}


def _under_grains(rng: np.random.Generator, options: FieldOptions) -> dict[str, Any]:
    return {"under_grains": float(rng.uniform(0.4, 0.9)), "specimens": _crowd(rng, options, 12), "crusts": 0.1}


_OTHERS = {
    "blurred-diploneis": _blurred_diploneis,
    "dark-field": _dark_field,
    "fluorescence": _fluorescence,
    "eyepiece": _eyepiece,
    "video": _video,
    "crusts": _crusts,
    "under-grains": _under_grains,
}
