"""Randomness, always granted."""

import os


def random(length: int) -> bytes:
    return os.urandom(min(length, 4096))
