"""Fixtures: the Python environments that several tests share."""

import sys

import pytest

from environments import Environment


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An environment with the wheel alone."""
    return Environment.made(tmp_path_factory.mktemp("bare") / "env", sys.executable, "")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """An environment with the wheel, a runtime, the converter and data frames."""
    folder = tmp_path_factory.mktemp("whole") / "env"
    return Environment.made(folder, sys.executable, "[cpu,convert,frames]", "pandas", uv=True)
