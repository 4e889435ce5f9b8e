"""Permission `state`."""

from typing import Optional

from lazaret_testing.host import outside


def get(key: str) -> Optional[bytes]:
    value = outside("state").remembered(key)
    return str(value).encode() if isinstance(value, int) else value


def set(key: str, value: bytes, seconds: int) -> None:
    outside("state").remember(key, value, seconds)


def remove(key: str) -> bool:
    there = outside("state").remembered(key) is not None
    outside("state").remember(key, None, 1)
    return there


def increment(key: str, by: int, seconds: int) -> int:
    return outside("state").increment(key, by, seconds)


def compare_and_set(key: str, expected: Optional[bytes], value: Optional[bytes], seconds: int) -> bool:
    same = outside("state").remembered(key) == expected
    if same:
        outside("state").remember(key, value, seconds)
    return same
