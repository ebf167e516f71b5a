"""The application under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.webapp import Web


@pytest.fixture
def make_web(tmp_path: Path) -> Iterator[Callable[..., Web]]:
    """Applications with settings of their own."""
    made: list[Web] = []

    def make(**settings: Any) -> Web:
        made.append(Web(tmp_path / str(len(made)), **settings))
        return made[-1]

    yield make
    for web in made:
        web.close()


@pytest.fixture
def web(make_web: Callable[..., Web]) -> Web:
    """One application with defaults."""
    return make_web()
