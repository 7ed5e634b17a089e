"""What the card of a model says that was learnt from examples and holds them."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from napari_diatom.core.validation_messages import Digest

EXAMPLES_ARCHITECTURE: Final = "examples"
"""The one architecture of the engine ``examples``: it has no network of its own."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class ExampleGroup(BaseModel):
    """How the specimens of one group, such as valves or girdle views, are named.

    Attributes
    ----------
    method : str
        One of :class:`~napari_diatom.naming.method_choice.Method`.
    temperature : float or None
        By which evidence is divided; None where too few specimens could be asked to calibrate it.
    asked : int
        How many specimens were asked in the cross-validation.
    right : float or None
        Share of these that were named rightly; None where they were too few.
    by_slide : bool
        Whether slides were kept apart.
    calibration_error : float or None
        Expected calibration error; None where too few specimens could be asked.
    unlike_beyond : float or None
        Distance from which a specimen is unlike all examples; None where none is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    temperature: Number | None = Field(default=None, gt=0)
    asked: int = Field(default=0, ge=0)
    right: Share | None = None
    by_slide: bool = False
    calibration_error: Share | None = None
    unlike_beyond: Number | None = Field(default=None, ge=0)


class ExampleFacts(BaseModel):
    """What a model of examples needs to know beside what every card says, and whose examples these are.

    Attributes
    ----------
    embedder, embedder_version, embedder_sha256 : str
        What made the vectors. Those of another one cannot be compared with them.
    dimensions : int
        Length of a vector.
    groups : dict of str to ExampleGroup
        How the specimens of each group are named.
    slides : tuple of str
        On which slides the examples lie.
    people : tuple of str
        Who named them.
    specimens : dict of str to int
        Examples of each taxon.
    genera : dict of str to str
        The genus of a taxon where its name begins with another word.
    handed : tuple of str
        Taxa whose mirror image is another taxon.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedder: str
    embedder_version: str
    embedder_sha256: Digest
    dimensions: int = Field(ge=1, le=1024)
    groups: dict[str, ExampleGroup]
    slides: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    specimens: dict[str, int] = Field(default_factory=dict)
    genera: dict[str, str] = Field(default_factory=dict)
    handed: tuple[str, ...] = ()
