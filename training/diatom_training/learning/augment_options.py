"""What is varied by chance in what a network learns from: single values, and presets of them by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, model_validator

from diatom_training.data.crop_geometry import CropGeometry

_PRESET: Final = "preset"
"""Entry that names a preset, beside entries that change some of its values."""
EARLIER_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "turn_share": "rotation",
        "tilt_deg": "cutout_rotation_deg",
        "zoom": "cutout_scale",
        "shift": "cutout_translation",
    }
)
"""Entries of saved settings by the names that they had, and those that they have; one of the two may be given."""


class AugmentOptions(BaseModel):
    """What is varied by chance in a training crop.

    Besides these entries, ``preset`` takes the name of one of :data:`AUGMENTATIONS`, whose values hold for all entries
    that are not given; a name alone, in place of entries, is that preset as it is.

    Attributes
    ----------
    flip_horizontal : float
        Flipping: share of crops whose left and right are exchanged.
    flip_vertical : float
        Flipping: share of crops whose top and bottom are exchanged.
    quarter_turns : float
        Share of crops turned by 0, 90, 180 or 270 degrees, each as often. What is shown along its own axis, for a
        classifier or an outline, is turned by 0 or 180 degrees.
    rotation : float
        Share of crops rotated by any angle up to the largest one, besides quarter turns.
    rotation_deg : float
        Largest angle of the rotation in degrees; 180 is any angle.
    scale : float
        Share of an image's range of scales over which crops are scaled: 1 uses the whole range, and 0 shows every
        image at its own scale. The range is from 1.2 times smaller to 1.2 times larger where the pixel size is known,
        and else holds all scales that the network is used at later.
    shear_deg : float
        Largest angle in degrees by which crops are sheared.
    random_crop : float
        Cropping: share of crops that lie anywhere in the image; the others of those not placed at specimens are tiles
        of a fixed grid.
    aimed : float
        Cropping: share of crops placed at a specimen; the others show what else a slide holds.
    translation : float
        Farthest that a specimen is moved from the middle of a crop that is placed at it, in sides of the crop.
    contrast : float
        Largest change of the contrast, as a share of it.
    brightness : float
        Largest change of the brightness, as a share of it.
    saturation : float
        Largest change of the saturation, as a share of it.
    hue : float
        Largest change of the hue, in turns of the colour circle.
    grey : float
        Share of crops that lose their colour.
    invert : float
        Share of crops whose light and dark are exchanged.
    blur : float
        Share of crops that are blurred.
    blur_px : float
        Largest standard deviation of the blur in pixels.
    defocus : float
        Share of crops that are out of focus.
    noise : float
        Share of crops that get noise of a camera.
    noise_std : float
        Largest standard deviation of the noise, as a share of the range from black to white.
    jpeg : float
        Share of crops that are compressed as JPEG files are.
    cutout_rotation_deg : float
        Rotation: largest angle in degrees by which specimens cut out for a classifier are off the upright. Round ones,
        which have no axis, are rotated by any angle unless it is 0.
    cutout_scale : float
        Scaling: largest change of the size of such a cut-out; 0.12 makes it up to 1.12 times larger or smaller.
    cutout_translation : float
        Translation: how far such a cut-out is off its middle at most, in sides of it.
    boxed : float
        Share of such cut-outs whose background begins at the box instead of the outline, because many detectors give
        boxes alone.
    box_errors : float
        How inexact the boxes are that specimens are outlined in: 1 is as inexact as a detector's, and 0 exact.
    upright_boxes : float
        Share of specimens that are outlined in upright boxes, as detectors without angles give them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    flip_horizontal: float = Field(default=0.5, ge=0, le=1, title="Horizontal flip")
    flip_vertical: float = Field(default=0.5, ge=0, le=1, title="Vertical flip")
    quarter_turns: float = Field(default=1.0, ge=0, le=1)
    rotation: float = Field(default=0.2, ge=0, le=1)
    rotation_deg: float = Field(default=180.0, gt=0, le=180, title="Largest rotation")
    scale: float = Field(default=1.0, ge=0, le=1, title="Scaling")
    shear_deg: float = Field(default=4.0, ge=0, lt=45, title="Shearing")
    random_crop: float = Field(default=1.0, ge=0, le=1, title="Random cropping")
    aimed: float = Field(default=0.5, ge=0, le=1, title="Crops at specimens")
    translation: float = Field(default=0.3, ge=0, le=0.5)
    contrast: float = Field(default=0.35, ge=0, lt=1)
    brightness: float = Field(default=0.2, ge=0, lt=1)
    saturation: float = Field(default=0.4, ge=0, lt=1)
    hue: float = Field(default=0.04, ge=0, le=0.5)
    grey: float = Field(default=0.25, ge=0, le=1)
    invert: float = Field(default=0.05, ge=0, le=1)
    blur: float = Field(default=0.15, ge=0, le=1)
    blur_px: float = Field(default=1.4, ge=0.4, le=10, title="Largest blur")
    defocus: float = Field(default=0.1, ge=0, le=1)
    noise: float = Field(default=0.25, ge=0, le=1)
    noise_std: float = Field(default=0.03, ge=0.004, le=0.5, title="Strongest noise")
    jpeg: float = Field(default=0.15, ge=0, le=1, title="JPEG")
    cutout_rotation_deg: float = Field(default=8.0, ge=0, le=180, title="Rotation")
    cutout_scale: float = Field(default=0.12, ge=0, le=1, title="Scaling")
    cutout_translation: float = Field(default=0.04, ge=0, le=0.25, title="Translation")
    boxed: float = Field(default=0.3, ge=0, le=1, title="Boxes for outlines")
    box_errors: float = Field(default=1.0, ge=0, le=2, title="Inexact boxes")
    upright_boxes: float = Field(default=0.25, ge=0, le=1)

    @model_validator(mode="wrap")
    @classmethod
    def _of_preset(cls, data: Any, handler: ModelWrapValidatorHandler[AugmentOptions]) -> AugmentOptions:
        """Fill in the values of a preset; only what is given beside it counts as set."""
        if isinstance(data, str):
            data = {_PRESET: data}
        if not isinstance(data, Mapping):
            return handler(data)
        given = under_current_names(data)
        preset = given.pop(_PRESET, None)
        if preset is None:
            return handler(given)
        if preset not in list(AUGMENTATIONS):
            raise ValueError(f"{preset!r} is not an augmentation; these are {', '.join(AUGMENTATIONS)}")
        made = handler({**AUGMENTATIONS[preset], **given})
        made.__pydantic_fields_set__.intersection_update(given)
        return made

    def geometry(self) -> CropGeometry:
        """Return how crops lie in their images."""
        return CropGeometry(**{name: getattr(self, name) for name in CropGeometry.__dataclass_fields__})


def under_current_names(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return entries under the names that they have now.

    Raises
    ------
    ValueError
        When an entry is given under both names.
    """
    found = dict(entries)
    for earlier, name in EARLIER_NAMES.items():
        if earlier in found:
            if name in found:
                raise ValueError(f"{earlier} is an earlier name of {name}; give {name} alone")
            found[name] = found.pop(earlier)
    return found


def has_earlier_names(entries: object) -> bool:
    """Tell whether an augmentation was written by a version that had other names, and wrote down all options there."""
    return isinstance(entries, Mapping) and not EARLIER_NAMES.keys().isdisjoint(entries)


UNVARIED: Final = ("aimed", "rotation_deg", "blur_px", "noise_std")
"""Entries that vary nothing themselves: which crops there are, and how much what is turned off would vary."""
AUGMENTATIONS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "usual": {},
        "none": {name: 0.0 for name in AugmentOptions.model_fields if name not in UNVARIED},
        "strong": {
            "rotation": 0.5,
            "shear_deg": 8.0,
            "contrast": 0.5,
            "brightness": 0.35,
            "grey": 0.4,
            "invert": 0.1,
            "blur": 0.3,
            "defocus": 0.2,
            "noise": 0.4,
            "jpeg": 0.3,
        },
        "dic": {"flip_horizontal": 0.0, "flip_vertical": 0.0, "quarter_turns": 0.0, "rotation": 0.0, "invert": 0.0},
        "handed": {"flip_horizontal": 0.0, "flip_vertical": 0.0},
    }
)
"""Augmentations by name, as far as they differ from the usual one."""
TURNING_PRESET: Final = "dic"
"""The preset that keeps the direction of the shading, which is lost where specimens are turned upright."""


def preset_of(augment: object) -> object:
    """Return the name of the preset in the entry ``augment`` of settings; None without one."""
    return augment.get(_PRESET) if isinstance(augment, Mapping) else augment
