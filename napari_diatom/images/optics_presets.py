"""Presets of objective and camera, from which the pixel size follows; kept in the user's configuration folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_json


@dataclass(frozen=True)
class Optics:
    """An objective with a camera.

    Attributes
    ----------
    name : str
        What the user calls it.
    magnification : float
        Of the objective, such as 100.
    camera_pixel_um : float
        Pitch of the camera's pixels in µm.
    adapter : float
        Magnification of the camera adapter, such as 0.5.
    binning : int
        Camera pixels per image pixel along one side.
    """

    name: str
    magnification: float
    camera_pixel_um: float
    adapter: float = 1.0
    binning: int = 1

    def __post_init__(self) -> None:
        values = (self.magnification, self.camera_pixel_um, self.adapter, self.binning)
        is_named = isinstance(self.name, str) and self.name.strip()
        if not is_named or not all(type(v) in (int, float) and 0 < v < 1e6 for v in values):
            raise InputError("A preset needs a name, and a magnification, pitch, adapter and binning above 0.")

    @property
    def pixel_size_um(self) -> float:
        """Micrometres per image pixel: the camera's pitch, times binning, over all magnification."""
        return self.camera_pixel_um * self.binning / (self.magnification * self.adapter)


COMMON: Final = (
    Optics("100x oil, 3.45 µm camera", 100, 3.45),
    Optics("63x oil, 3.45 µm camera", 63, 3.45),
    Optics("40x, 3.45 µm camera", 40, 3.45),
    Optics("20x, 3.45 µm camera", 20, 3.45),
)
"""Starting points, with the pitch of the Sony Pregius sensors that most microscope cameras are built on."""


class Presets:
    """The user's presets in a JSON file.

    Parameters
    ----------
    path : Path
        The file; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of_user(cls) -> Presets:
        """Return the presets in the user's configuration folder."""
        import platformdirs

        return cls(Path(platformdirs.user_config_dir("napari-diatom", appauthor=False)) / "optics.json")

    def load(self) -> tuple[Optics, ...]:
        """Return the presets, the common ones as long as the user has saved none.

        Raises
        ------
        InputError
            When the file is there and damaged.
        """
        if not self._path.exists():
            return COMMON
        try:
            return tuple(Optics(**entry) for entry in read_json(self._path, "a file of presets"))
        except (TypeError, InputError) as error:
            raise InputError(
                f"{self._path} cannot be read as presets ({' '.join(str(error).split())}); repair or delete it."
            ) from error

    def save(self, presets: Sequence[Optics]) -> None:
        """Keep the presets.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        write_atomically(self._path, json.dumps([asdict(preset) for preset in presets], indent=2, ensure_ascii=False))
