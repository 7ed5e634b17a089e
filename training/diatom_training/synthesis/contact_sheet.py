"""Contact sheets of the synthetic slides: small fields of each subject side by side, to be looked at.

``python -m diatom_training.synthesis.contact_sheet SHEET.png --subjects living-chain dark-field``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.synthesis.distribution import draw_options
from diatom_training.synthesis.options import MODALITIES, Modality
from diatom_training.synthesis.render import RenderedField, render_field
from diatom_training.synthesis.subjects import SUBJECTS
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.cropped_masks import trace_outline
from napari_diatom.core.errors import DiatomError, InputError

_GREEN = (90, 240, 60)


def sheet_of(
    subjects: Sequence[str],
    *,
    fields: int = 4,
    size: int = 320,
    seed: int = 0,
    scale: float = 1.0,
    modality: Modality | None = None,
    outlined: bool = False,
) -> NDArray[np.uint8]:
    """Render a row of fields of each subject.

    Parameters
    ----------
    subjects
        Names from ``SUBJECTS``, or ``classic``.
    fields
        Fields of each.
    size
        Side of a field in pixels.
    seed
        The same seed gives the same sheet.
    scale
        By which the fields are reduced, 0 to 1.
    modality
        Fixes the light; None draws it.
    outlined
        Whether the truth is drawn on the fields.

    Returns
    -------
    ndarray, (height, width, 3) uint8
        RGB, a row for each subject with its name.
    """
    rows = []
    shown = max(1, round(scale * size))
    for number, subject in enumerate(subjects):
        row = []
        for index in range(fields):
            rng = np.random.default_rng((seed, number, index))
            options = draw_options(rng, size, size, subject=subject, modality=modality)
            picture = _picture(render_field(replace(options, bit_depth=8), int(rng.integers(2**31))), outlined)
            row.append(np.asarray(cv2.resize(picture, (shown, shown), interpolation=cv2.INTER_AREA), dtype=np.uint8))
        strip = np.hstack(row)
        _label(strip, subject)
        rows.append(strip)
    return np.vstack(rows)


def _picture(field: RenderedField, outlined: bool) -> NDArray[np.uint8]:
    """Return a field as RGB, with a thin edge and perhaps its outlines."""
    pixels = np.asarray(field.image, dtype=np.uint8)
    image = np.repeat(pixels[..., None], 3, axis=-1) if pixels.ndim == 2 else pixels.copy()
    if outlined:
        for mask in field.truth.masks or ():
            corners = np.rint(trace_outline(mask)).astype(np.int32)
            cv2.polylines(image, [corners], True, _GREEN, 1, cv2.LINE_AA)
    return np.asarray(
        cv2.copyMakeBorder(image[:-2, :-2], 0, 2, 0, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255)), dtype=np.uint8
    )


def _label(strip: NDArray[np.uint8], text: str) -> None:
    """Write a name into the lower left corner, on black."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    foot = strip.shape[0] - 8
    strip[foot - height - 5 : foot + 6, 3 : width + 11] = 0
    cv2.putText(strip, text, (7, foot), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a contact sheet; the command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m diatom_training.synthesis.contact_sheet", description=main.__doc__)
    parser.add_argument("sheet", type=Path, help="file to write, .png or .jpg")
    parser.add_argument(
        "--subjects", nargs="+", default=list(SUBJECTS), metavar="NAME", help=f"classic, {', '.join(SUBJECTS)} (all)"
    )
    parser.add_argument("--modality", choices=MODALITIES, help="fixes the light")
    parser.add_argument("--fields", type=int, default=4, help="of each subject (%(default)s)")
    parser.add_argument("--size", type=int, default=320, help="side of a field in pixels (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="by which fields are reduced (%(default)g)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other fields (%(default)s)")
    parser.add_argument("--outlined", action="store_true", help="draw the truth")
    options = parser.parse_args(arguments)
    try:
        if options.sheet.suffix not in (".png", ".jpg"):
            raise InputError(f"{options.sheet} is neither a .png nor a .jpg file.")
        image = sheet_of(
            options.subjects,
            fields=options.fields,
            size=options.size,
            seed=options.seed,
            scale=options.scale,
            modality=options.modality,
            outlined=options.outlined,
        )
        quality = [cv2.IMWRITE_JPEG_QUALITY, 82] if options.sheet.suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
        done, coded = cv2.imencode(options.sheet.suffix, np.ascontiguousarray(image[..., ::-1]), quality)
        if not done:
            raise RuntimeError(f"OpenCV could not encode {options.sheet}")
        write_atomically(options.sheet, bytes(coded))
    except DiatomError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(options.sheet)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
