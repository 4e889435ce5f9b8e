"""What the observer of outcomes is told."""

from dataclasses import dataclass
from typing import Optional


@dataclass
class ResultOfTransaction:
    """What the client was told at the end of data."""

    code: int
    text: str
    decided_by: Optional[str]
    queue_id: Optional[str]
