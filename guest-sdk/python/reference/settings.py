"""The settings of the reference filter."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The `[config]` table: whose mail costs how much."""

    domains: frozenset[str] = field(default_factory=frozenset)
    points: float = 1.0

    @staticmethod
    def parse(config: dict[str, Any]) -> "Settings":
        """Settings that can be used; a ValueError names what is wrong and the cure."""
        for key in config:
            if key not in ("domains", "points"):
                raise ValueError(f"unknown key `{key}`: there are `domains` and `points`")
        if "domains" not in config:
            raise ValueError("`domains` is missing: list the domains to score")
        domains, points = config["domains"], config.get("points", 1)
        if not isinstance(domains, list) or not all(isinstance(domain, str) for domain in domains):
            raise ValueError("`domains` must be a list of texts")
        if not domains:
            raise ValueError("`domains` is empty: name at least one")
        if not isinstance(points, (int, float)) or isinstance(points, bool):
            raise ValueError("`points` must be a number")
        return Settings(frozenset(domains), float(points))
