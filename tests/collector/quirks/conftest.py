"""Fresh records for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.recording import Desk, desk


@pytest.fixture(name="desk")
def _desk() -> Iterator[Desk]:
    with desk() as fresh:
        yield fresh
