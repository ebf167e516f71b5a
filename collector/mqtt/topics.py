"""Topic patterns: `plant/{device}/+/status/#`. A `{name}` is one level and keeps what stands there. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

_NAMED = re.compile(r"\{([a-z][a-z0-9_]{0,30})\}")
_MAX_BYTES = 65_535  # MQTT 3.1.1 section 4.7.3

Parts = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TopicPattern:
    """`levels` of the pattern; `filter` is what is subscribed to."""

    text: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    filter: str

    @classmethod
    def parse(cls, text: str) -> TopicPattern:
        """Raises ValueError saying what is wrong, and behind a full stop how to mend it."""
        if not text or "\0" in text or len(text.encode("utf-8", "replace")) > _MAX_BYTES:
            raise ValueError("this is not a topic. Write for example plant/{device}/status")
        levels = text.split("/")
        names: list[str] = []
        for position, level in enumerate(levels):
            named = _NAMED.fullmatch(level)
            if named and named[1] in names:
                raise ValueError(f"{level} stands twice. Give each part a name of its own")
            if named:
                names.append(named[1])
            elif level == "#" and position < len(levels) - 1:
                raise ValueError("# is not the last level. Write + or {name} for a level in between")
            elif level not in ("+", "#") and re.search(r"[+#{}]", level):
                raise ValueError(f"level {level!r} is not one. Write +, # or {{name}} for the whole of a level")
        topic_filter = "/".join("+" if _NAMED.fullmatch(level) else level for level in levels)
        return cls(text=text, levels=tuple(levels), names=tuple(names), filter=topic_filter)

    def match(self, topic: str) -> dict[str, str] | None:
        """The named parts of a topic, or None when it does not match (MQTT 3.1.1 section 4.7.1)."""
        levels = topic.split("/")
        if topic.startswith("$") and self.levels[0] != levels[0]:
            return None
        parts: dict[str, str] = {}
        for position, wanted in enumerate(self.levels):
            if wanted == "#":
                return parts
            if position >= len(levels):
                return None
            if wanted[:1] == "{":
                parts[wanted[1:-1]] = levels[position]
            elif wanted not in ("+", levels[position]):
                return None
        return parts if len(levels) == len(self.levels) else None


@dataclass(frozen=True)
class When:
    """Which topics count: each named part must match one of its patterns (`*` and `?` as in file names)."""

    wanted: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def accepts(self, parts: Parts) -> bool:
        return all(
            any(fnmatchcase(parts[name], pattern) for pattern in patterns) for name, patterns in self.wanted
        )


EVERY = When()


def names_in(template: str) -> list[str]:
    """The parts that a template such as `{node}/{device}` asks for."""
    return _NAMED.findall(template)


def fill(template: str, parts: Parts) -> str:
    """The template with the parts put in."""
    return _NAMED.sub(lambda found: parts[found[1]], template)
