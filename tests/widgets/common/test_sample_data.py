"""Example slides in a window that stays alive."""

import numpy as np
import pytest
from qtpy.QtCore import QTimer

from napari_diatom.core.errors import OutputError
from napari_diatom.widgets.common.sample_data import render_in_process


def test_the_event_loop_runs_while_a_slide_is_rendered(qapp, tmp_path):
    beats = []
    timer = QTimer()
    timer.setInterval(20)
    timer.timeout.connect(lambda: beats.append(1))
    timer.start()
    render_in_process("lake_dic_63x", tmp_path / "lake.npy")
    timer.stop()
    assert len(beats) > 5
    assert np.load(tmp_path / "lake.npy").shape == (1536, 2048)


def test_a_failed_rendering_says_why_in_one_line(qapp, tmp_path):
    with pytest.raises(OutputError, match="no_such_slide") as caught:
        render_in_process("no_such_slide", tmp_path / "x.npy")
    assert "\n" not in str(caught.value)
