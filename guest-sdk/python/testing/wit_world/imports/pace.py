"""Permission `pace`."""

from lazaret_testing.host import current


def hold(milliseconds: int) -> None:
    current().hold(milliseconds)
