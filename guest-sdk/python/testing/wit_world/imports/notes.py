"""Permission `notes`."""

from enum import Enum
from typing import Optional

from lazaret_testing.host import current


class Scope(Enum):
    CONNECTION = 0
    TRANSACTION = 1


def set(scope: Scope, key: str, value: str) -> None:
    current().set_note(scope.name.lower(), key, value)


def get(filter: str, key: str) -> Optional[str]:
    return current().note(filter, key)
