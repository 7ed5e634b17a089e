"""Python's search for garbage, kept from the many objects that last as long as a project is open.

Each full search looks at every object there is: with 100,000 specimens it holds the window up for most of a second,
and while a project is read there are several.
"""

from __future__ import annotations

import gc
from typing import Final

from qtpy.QtCore import QObject

from napari_diatom.widgets.common.closing import when_destroyed

MANY: Final = 2_000
"""Specimens that are worth it: with fewer, a project adds little to what napari itself holds."""


class GarbagePause:
    """Switches the search off while lasting objects are made, and leaves these out of it afterwards.

    What is garbage among the objects that are left out is found when :meth:`end` says that they are not needed any
    more. Few objects are searched as usual.

    Parameters
    ----------
    owner : QObject
        When Qt destroys it, all is as it was before.
    """

    def __init__(self, owner: QObject) -> None:
        self._is_off = self._has_left_out = False
        when_destroyed(owner, self.end)

    def begin(self, number: int) -> None:
        """Search for no garbage from now on, if lasting objects of many specimens have been made."""
        if number >= MANY and not self._is_off and gc.isenabled():
            gc.disable()
            self._is_off = True

    def clear_new(self) -> None:
        """Free what is garbage among the objects that were made since the last time, if the search is switched off."""
        if self._is_off:
            gc.collect(1)

    def leave_out(self) -> None:
        """Search again, but not among the objects that there are now, if the search was switched off."""
        if self._is_off:
            gc.freeze()
            gc.enable()
            self._is_off, self._has_left_out = False, True

    def end(self) -> None:
        """Search among all objects again."""
        if self._is_off:
            gc.enable()
        if self._has_left_out:
            gc.unfreeze()
        self._is_off = self._has_left_out = False
