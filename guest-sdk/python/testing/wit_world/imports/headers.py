"""Permission `headers`."""

from dataclasses import dataclass
from typing import List

from lazaret_testing.host import current


@dataclass
class Field:
    name: str
    value: bytes


def all() -> List[Field]:
    return [Field(name, value) for name, value in current().shown().fields]


def text(name: str) -> List[str]:
    return current().shown().text(name)
