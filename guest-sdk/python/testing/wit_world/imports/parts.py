"""Permission `parts`."""

from dataclasses import dataclass
from typing import List, Optional

from lazaret_testing.host import CHUNK, current


@dataclass
class Part:
    index: int
    parent: Optional[int]
    content_type: str
    name: Optional[str]
    attachment: bool
    size: int
    sha256: str


def all() -> List[Part]:
    current().check("parts", "message")
    return [leaf.part for leaf in current().message.leaves()]


def read(part: int, offset: int, length: int) -> bytes:
    current().check("parts", "message")
    return current().message.leaf(part).octets[offset : offset + min(length, CHUNK)]


def text(part: int) -> str:
    current().check("parts", "message")
    return current().message.leaf(part).text()
