"""The names of devices in forms."""

from __future__ import annotations

from typing import Final

DEVICE_TITLES: Final = {"auto": "Automatic", "cpu": "CPU", "cuda": "NVIDIA GPU (CUDA)", "mps": "Apple GPU (MPS)"}
