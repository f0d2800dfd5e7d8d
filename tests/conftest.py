"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference networks, data sets and real recordings; not part of the project."""
    folder = Path(os.environ.get("EPHYS_SNN_SHARED", CHECKOUT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the reference data, and {folder} does not exist (EPHYS_SNN_SHARED)")
    return folder
