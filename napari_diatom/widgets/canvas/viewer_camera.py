"""The camera of a viewer, in every version of napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.viewer import Viewer


def camera_of(viewer: Viewer) -> Any:
    """Return the camera, which moved to the viewer's scene in napari 0.9."""
    return getattr(viewer, "scene", viewer).camera
