"""What every command shares: the settings, read once and only when a command needs them."""

from __future__ import annotations

from pathlib import Path

from laddvakt.settings import Settings, load_settings


class Context:
    """Carried as `ctx.obj`. `config` and `data_dir` come from the command line."""

    def __init__(self, config: Path | None = None, data_dir: Path | None = None) -> None:
        self.config = config
        self.data_dir = data_dir
        self._settings: Settings | None = None

    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = load_settings(self.config, data_dir=self.data_dir)
        return self._settings
