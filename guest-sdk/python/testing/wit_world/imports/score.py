"""Permission `score`."""

from dataclasses import dataclass
from typing import List

from lazaret_testing.host import current


@dataclass
class Entry:
    filter: str
    symbol: str
    points: float
    why: str


def add(symbol: str, points: float, why: str) -> None:
    current().score(symbol, points, why)


def total() -> float:
    return sum(entry.points for entry in all())


def all() -> List[Entry]:
    current().check("score", *current().after_configure)
    return [Entry(*entry) for entry in current().scores]
