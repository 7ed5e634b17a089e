"""How fields are composed, as frozen and validated options."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from diatom_training.composing.alpha_blending import Blending
from napari_diatom.core.errors import InputError
from napari_diatom.core.validation_messages import faults

Matching = Literal["histogram", "light", "none"]


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    """Refuse a range whose end lies before its begin."""
    if value[1] < value[0]:
        raise ValueError(f"the range ends at {value[1]:g}, before it begins at {value[0]:g}")
    return value


Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=0.02, le=10, allow_inf_nan=False)]
Length = Annotated[float, Field(ge=8, le=20_000, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=400)]


class ComposeOptions(BaseModel):
    """What composed fields look like.

    The parameters are those that Venkataramanan et al. 2023 varied (Engineering Applications of Artificial Intelligence
    117, 105594): scale, rotation, overlap and the ratio of diatoms to debris.

    Attributes
    ----------
    size : int
        Side of the square fields in pixels.
    specimens : tuple of int
        Fewest and most cut-outs of specimens in a field; where no more find room, fewer.
    empty_share : float
        Share of fields with debris alone, without specimens.
    debris_ratio : tuple of float
        Least and most debris per cut-out of a specimen. A field with debris alone has as much as others.
    scale : tuple of float
        Range of the scale of a whole field, log-uniform; the background and all cut-outs of a field share it, and with
        it their sharpness. Cut-outs whose pixel size is known are first brought to that of the background.
    scale_spread : float
        Standard deviation of the logarithm of each cut-out's own scale.
    length_px : tuple of float, or None
        Range that specimens' lengths in a field, in pixels, are scaled into where they lie outside; None leaves them.
    rotation_deg : tuple of float
        Range of the angles that cut-outs are turned by.
    mirror : bool
        Mirror half the cut-outs. Leave it out for taxa that differ in handedness.
    balanced : bool
        Draw all classes equally often, however many cut-outs each has.
    overlap : float
        Largest share of its visible area that a specimen may have in common with others and with debris, those beneath
        it and those upon it together. Cells of one chain keep what they had in common.
    cut_share : float
        Share of cut-outs that the field's edge cuts. What is longer than the field is cut in any case.
    blending : {"poisson", "feather"}
        How cut-outs join the background: ``poisson`` takes the light around the cut-out from the background, and
        ``feather`` keeps the light of the cut-out and fades its edge.
    matching : {"histogram", "light", "none"}
        ``light`` brings the light around a cut-out to that of the field, channel by channel; ``histogram`` also the
        contrast of cut-outs from elsewhere to that of the background's slide; ``none`` leaves all levels as they are.
    defocus_px : float
        Standard deviation of a normal distribution whose absolute values blur the cut-outs, in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=800, ge=64, le=8192)
    specimens: Annotated[tuple[Count, Count], AfterValidator(_rising)] = (2, 10)
    empty_share: Share = 0.05
    debris_ratio: Annotated[tuple[Amount, Amount], AfterValidator(_rising)] = Field(
        default=(0.5, 3.0), title="Debris per specimen"
    )
    scale: Annotated[tuple[Factor, Factor], AfterValidator(_rising)] = (0.6, 1.0)
    scale_spread: Share = 0.08
    length_px: Annotated[tuple[Length, Length], AfterValidator(_rising)] | None = Field(
        default=None, json_schema_extra={"none": "any"}
    )
    rotation_deg: Annotated[tuple[Angle, Angle], AfterValidator(_rising)] = (0.0, 360.0)
    mirror: bool = Field(default=True, title="Mirror half of the cut-outs")
    balanced: bool = Field(default=True, title="All classes equally often")
    overlap: Share = Field(default=0.2, title="Largest overlap")
    cut_share: Share = 0.15
    blending: Blending = "poisson"
    matching: Matching = "histogram"
    defocus_px: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.4

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return options of plain data.

        Raises
        ------
        InputError
            With every problem found.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(faults(error, cls))
            raise InputError(f"The options for composing are not valid: {problems}.") from error
