"""Half-width profiles of valves over the apical axis, -1 to 1 from apex to apex."""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from diatom_training.synthesis.noise_maps import Points


def superellipse(t: Points, power: float, root: float) -> Points:
    """Half-width profile (1 - |t|^power)^root."""
    return np.asarray(np.clip(1 - np.abs(t) ** power, 0, 1) ** root)


def needle_profile(rng: np.random.Generator, t: Points, aspect: float) -> Points:
    """Half-width of a needle: spindles to nearly linear ones, ends sharp, blunt or capitate."""
    shape = superellipse(t, math.exp(rng.uniform(math.log(1.3), math.log(10))), rng.uniform(0.6, 1))
    # A fine tip still has the thickness of two valves.
    blunt = rng.uniform(0.12, 0.4) * np.clip((1 - np.abs(t)) * aspect, 0, 1) ** 0.5
    shape = np.maximum(shape, blunt)
    return with_ends(rng, t, shape, aspect, 0.15)


def with_ends(rng: np.random.Generator, t: Points, shape: Points, aspect: float, chance: float) -> Points:
    """Give a profile rostrate or capitate ends, with the given chance."""
    if rng.random() >= chance:
        return shape
    end = rng.uniform(0.2, 0.45)
    radius = end / aspect * rng.uniform(1.0, 1.6)
    reach = 1 - radius * rng.uniform(1.0, 2.2)
    body = np.interp(t / reach, t, shape, left=0.0, right=0.0)
    from_tip = np.clip((np.abs(t) - (1 - radius)) / radius, -1, 1)
    ball = end * np.sqrt(np.clip(1 - from_tip**2, 0, 1))
    neck = rng.uniform(0.6, 1.05) * end * (np.abs(t) < 1 - radius)
    blend = 6.0
    joined = (body**blend + np.maximum(ball, neck) ** blend) ** (1 / blend)
    return np.asarray(joined)


def diploneis_profile(rng: np.random.Generator, t: Points) -> Points:
    """Half-width of Diploneis: broad ellipses, and valves with a waist as deep as in a figure of eight."""
    shape = superellipse(t, rng.uniform(2.0, 4.0), rng.uniform(0.45, 0.7))
    waist = rng.uniform(0.1, 0.5) if rng.random() < 0.65 else 0.0
    return np.asarray(shape * (1 - waist * np.exp(-((t / rng.uniform(0.22, 0.45)) ** 2))))


def undulate_profile(rng: np.random.Generator, t: Points, aspect: float) -> Points:
    """Half-width of valves with swellings: heads, shoulders, a swollen or narrow middle, alike at both ends or not."""
    heteropolar = rng.random() < 0.35
    sides = [_swellings(rng, aspect, shoulders=not heteropolar)]
    sides.append(_swellings(rng, aspect, shoulders=False) if heteropolar else sides[0])
    middle = rng.uniform(0.65, 1.1)
    left, right = sides
    knots = np.concatenate([-left[0][::-1], [0.0], right[0]])
    widths = np.concatenate([left[1][::-1], [middle], right[1]])
    even = np.linspace(-1.2, 1.2, 241)
    body = PchipInterpolator(knots, widths)(np.clip(even, knots[0], knots[-1]))
    body = np.interp(t, even, gaussian_filter1d(body, rng.uniform(2.0, 7.0)))
    # The ends are round: half circles of the last width, flattened where the heads are broad.
    end = np.where(t < 0, left[1][-1], right[1][-1])
    radius = np.clip(end / aspect * rng.uniform(0.7, 1.3), 0.02, 0.3)
    from_end = np.clip((np.abs(t) - (1 - radius)) / radius, 0, 1)
    return np.asarray(body * np.sqrt(1 - from_end**2))


def _swellings(rng: np.random.Generator, aspect: float, shoulders: bool) -> tuple[Points, Points]:
    """Places, 0 to 1, and half-widths from the middle outwards: shoulders, a neck, and a head."""
    head, place = rng.uniform(0.3, 1.0), 1 - rng.uniform(0.1, 0.6) / max(aspect, 2.0)
    # Where there are no shoulders the valve may taper all the way to the head.
    most = 1.0 if shoulders else 1.5
    neck, neck_at = min(1.0, rng.uniform(0.5, most) * head), rng.uniform(0.5, 0.85) * place
    places, widths = [float(neck_at), float(place)], [float(neck), float(head)]
    if shoulders and rng.random() < 0.5:
        places.insert(0, neck_at * rng.uniform(0.45, 0.85))
        widths.insert(0, rng.uniform(0.75, 1.05))
        if rng.random() < 0.4:
            places.insert(0, places[0] * rng.uniform(0.4, 0.65))
            widths.insert(0, rng.uniform(0.75, 0.95))
    if rng.random() < (0.2 if shoulders else 0.4):
        # A small tip on the head, or a pointed end.
        shift = rng.uniform(0.7, 0.95)
        places = [*(shift * at for at in places), 1.0]
        widths.append(rng.uniform(0.2, 0.6) * head)
    return np.array(places), np.array(widths)
