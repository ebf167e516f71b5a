"""Errors say what is wrong and what to do."""

from __future__ import annotations

from laddvakt.domain.errors import FrameError, LaddvaktError, LogLineError, SettingsError, StoreError


def test_an_error_names_its_mend() -> None:
    assert str(SettingsError("a port is busy.", mend="Choose another.")) == "a port is busy. Choose another."
    assert str(StoreError("it is gone.")) == "it is gone."


def test_errors_carry_data() -> None:
    assert str(LogLineError(7, "not JSON")) == "line 7: not JSON"
    assert LogLineError(7, "not JSON").line == 7
    error = FrameError("FormationViolation", "not JSON", "17")
    assert (error.code, error.unique_id, isinstance(error, LaddvaktError)) == ("FormationViolation", "17", True)
