"""Permission `edit-headers`."""

from typing import Optional

from lazaret_testing.host import current


def add(name: str, value: str) -> None:
    current().edit(name, value).add(name, value)


def replace(name: str, nth: int, value: str) -> None:
    current().edit(name, value).replace(name, nth, value)


def remove(name: str, nth: Optional[int]) -> int:
    return current().edit(name).remove(name, nth)
