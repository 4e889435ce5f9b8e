"""Permission `envelope`."""

from typing import List, Optional

from lazaret_testing.host import current

from .types import Address


def sender() -> Optional[Address]:
    return None if current().at("disconnect") else current().sender


def recipients() -> List[Address]:
    return [] if current().at("disconnect") else list(current().recipients)
