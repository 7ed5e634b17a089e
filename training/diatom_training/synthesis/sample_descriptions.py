"""What the eight example slides show, and their seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from diatom_training.synthesis.options import FieldOptions

_HEIGHT: Final = 1536
_WIDTH: Final = 2048

# A camera of 6.5 µm pixels behind the usual objectives.
_AT_20X: Final = 0.325
_AT_40X: Final = 0.1625
_AT_60X: Final = 0.1083
_AT_63X: Final = 0.1032
_AT_100X: Final = 0.065


@dataclass(frozen=True)
class Sample:
    """An example slide.

    Attributes
    ----------
    name : str
        What :func:`render_sample` takes.
    file : str
        Name of the image file; its suffix is the format.
    options : FieldOptions
        What the field shows.
    seed : int
        What it is drawn from.
    description : str
        One line for a person.
    """

    name: str
    file: str
    options: FieldOptions
    seed: int
    description: str


def _options(pixel_size_um: float, **what: Any) -> FieldOptions:
    return FieldOptions(height=_HEIGHT, width=_WIDTH, pixel_size_um=pixel_size_um, **what)


SAMPLES: Final[tuple[Sample, ...]] = (
    Sample(
        "river_bright_field_40x",
        "river_bright_field_40x.jpg",
        _options(
            _AT_40X,
            specimens=(26, 26),
            length_px=(60, 460),
            debris=0.3,
            needle_share=0.1,
            chain_share=0.04,
            living_share=0.1,
            contrast=1.4,
            defocus=0.25,
            noise=0.008,
            background=(0.84, 0.81, 0.76),
            uneven_light=0.4,
        ),
        seed=64,
        description="Benthos of a river in bright field: naviculoid and other valves among some debris.",
    ),
    Sample(
        "lake_dic_63x",
        "lake_dic_63x.ome.tif",
        _options(
            _AT_63X,
            modality="dic",
            specimens=(16, 16),
            length_px=(90, 800),
            debris=0.2,
            needle_share=0.12,
            chain_share=0.05,
            living_share=0.0,
            colour=False,
            bit_depth=16,
            contrast=0.9,
            defocus=0.15,
            noise=0.0012,
            background=(0.48, 0.48, 0.48),
            uneven_light=0.4,
        ),
        seed=2,
        description="Cleaned valves of a lake in DIC; 16 bit grey OME-TIFF, tiled, with its pixel size.",
    ),
    Sample(
        "stream_crowded_20x",
        "stream_crowded_20x.jpg",
        _options(
            _AT_20X,
            specimens=(100, 100),
            length_px=(30, 240),
            debris=0.25,
            needle_share=0.1,
            chain_share=0.05,
            living_share=0.15,
            contrast=1.3,
            defocus=0.15,
            blur_px=0.8,
            noise=0.008,
            background=(0.80, 0.80, 0.76),
            uneven_light=0.3,
        ),
        seed=3,
        description="A crowded slide of a stream in bright field: about a hundred specimens, some across others.",
    ),
    Sample(
        "coast_needle_chains_phase_40x",
        "coast_needle_chains_phase_40x.jpg",
        _options(
            _AT_40X,
            modality="phase-contrast",
            specimens=(20, 20),
            length_px=(260, 760),
            debris=0.4,
            needle_share=1.0,
            chain_share=0.6,
            living_share=0.8,
            contrast=1.5,
            defocus=0.35,
            blur_px=1.3,
            noise=0.01,
            background=(0.37, 0.40, 0.45),
            uneven_light=0.4,
        ),
        seed=21,
        description="Coastal plankton in phase contrast: chains of needles that overlap at their tips.",
    ),
    Sample(
        "bay_needles_phase_20x",
        "bay_needles_phase_20x.png",
        _options(
            _AT_20X,
            modality="phase-contrast",
            specimens=(30, 30),
            length_px=(130, 420),
            debris=0.35,
            needle_share=0.85,
            chain_share=0.25,
            living_share=0.6,
            colour=False,
            contrast=1.7,
            defocus=0.3,
            noise=0.008,
            background=(0.36, 0.36, 0.36),
            uneven_light=0.3,
        ),
        seed=41,
        description="Plankton of a bay in phase contrast, grey: single needles, short chains, a few others.",
    ),
    Sample(
        "spring_empty_40x",
        "spring_empty_40x.jpg",
        _options(
            _AT_40X,
            specimens=(0, 0),
            debris=0.75,
            contrast=1.0,
            defocus=0.35,
            noise=0.008,
            background=(0.80, 0.77, 0.78),
            uneven_light=0.5,
        ),
        seed=1,
        description="A spring's slide without any diatom: mineral grains, flocs and specks only.",
    ),
    Sample(
        "moor_bright_field_100x",
        "moor_bright_field_100x.png",
        _options(
            _AT_100X,
            specimens=(8, 8),
            length_px=(260, 1500),
            debris=0.15,
            needle_share=0.08,
            chain_share=0.0,
            living_share=0.0,
            colour=False,
            contrast=1.1,
            defocus=0.15,
            blur_px=1.2,
            noise=0.006,
            background=(0.76, 0.76, 0.76),
            uneven_light=0.3,
            scale_bar=True,
            caption=True,
        ),
        seed=2,
        description="Large valves of a moor with their striae under oil, grey; scale bar and caption burned in.",
    ),
    Sample(
        "pond_living_dic_60x",
        "pond_living_dic_60x.tif",
        _options(
            _AT_60X,
            modality="dic",
            specimens=(14, 14),
            length_px=(100, 640),
            debris=0.3,
            needle_share=0.15,
            chain_share=0.1,
            living_share=0.8,
            colour=False,
            contrast=0.9,
            defocus=0.3,
            noise=0.008,
            background=(0.52, 0.52, 0.52),
            uneven_light=0.5,
        ),
        seed=51,
        description="Living cells of a pond in DIC, grey TIFF whose resolution tags hold the pixel size.",
    ),
)
"""The example slides, in the order in which they are written."""
