"""What the observer of outcomes is told."""

from dataclasses import dataclass
from typing import Optional


@dataclass
class ResultOfTransaction:
    """Code and text are 0 and empty if the client went away before a reply."""

    code: int
    text: str
    decided_by: Optional[str]
    queue_id: Optional[str]
