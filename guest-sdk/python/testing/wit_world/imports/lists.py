"""Permission `lists`."""

from typing import Optional

from lazaret_testing.host import outside


def contains(name: str, entry: str) -> bool:
    return outside("lists").listed(name, entry) is not None


def lookup(name: str, entry: str) -> Optional[str]:
    return outside("lists").listed(name, entry)
