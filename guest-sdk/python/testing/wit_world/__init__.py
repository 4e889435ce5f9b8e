"""The bindings that componentize-py generates, played by `lazaret_testing`: all stages and all permissions."""

from typing import Protocol


class WitWorld(Protocol):
    """What the world exports by itself."""

    def configure(self, config: str) -> None:
        """Raises Err with a text for the operator."""
        ...
