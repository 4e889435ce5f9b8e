"""Permission `envelope`."""

from typing import List, Optional

from lazaret_testing.host import current

from .types import Address


def sender() -> Optional[Address]:
    return current().sender


def recipients() -> List[Address]:
    return list(current().recipients)
