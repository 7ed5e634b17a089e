"""Tasks of the settings in the test's own process: starting one takes as long as all else."""

import importlib

import pytest


@pytest.fixture
def no_process(monkeypatch):
    """Do what another process does in a thread of this one."""

    def call(target, monitor, background, grace_s, **arguments):
        assert background
        module, _, function = target.partition(":")
        return getattr(importlib.import_module(module), function)(monitor=monitor, **arguments)

    monkeypatch.setattr("napari_diatom.widgets.project_settings.settings_session.call_in_process", call)
