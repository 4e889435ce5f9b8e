"""The log, always granted."""

from enum import Enum

from lazaret_testing.host import current


class Level(Enum):
    DEBUG = 0
    INFO = 1
    WARN = 2
    ERROR = 3


def write(level: Level, message: str) -> None:
    current().log.append(f"{level.name.lower()} {message}")
