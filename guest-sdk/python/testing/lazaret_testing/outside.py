"""What lies outside of a made-up transaction: names, state, servers, lists, metrics."""

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from componentize_py_types import Err
from wit_world.imports.types import Error

METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LONGEST = 400 * 86_400
"""Seconds that something is remembered at most."""


class Outside:
    """The services that a test gives to a filter."""

    def __init__(
        self,
        dns: Mapping[str, Mapping[str, Union[str, List[str]]]],
        state: Dict[str, Any],
        http: Mapping[str, Optional[Tuple[int, bytes]]],
        lists: Mapping[str, List[str]],
    ) -> None:
        self.dns, self.state, self.http, self.lists = dns, state, http, lists
        self.requests: List[Any] = []
        self.metrics: Dict[str, float] = {}

    def name(self, name: str, kind: str) -> Union[str, List[str]]:
        """The records, or a word such as `failed`."""
        known = self.dns.get(name.removesuffix(".").lower())
        return "no-name" if known is None else known.get(kind, "no-data")

    def remembered(self, key: str) -> Any:
        if not 1 <= len(key.encode()) <= 512:
            raise Err(Error.INVALID)
        return self.state.get(key)

    def remember(self, key: str, value: Any, seconds: int) -> None:
        self.remembered(key)
        if not 1 <= seconds <= LONGEST:
            raise Err(Error.INVALID)
        if value is None:
            self.state.pop(key, None)
        else:
            self.state[key] = value

    def increment(self, key: str, by: int, seconds: int) -> int:
        before = self.remembered(key) or 0
        if not isinstance(before, int):
            raise Err(Error.INVALID)
        self.remember(key, before + by, seconds)
        return before + by

    def fetch(self, origin: str, request: Any) -> Tuple[int, bytes]:
        if request.verb not in ("GET", "POST", "PUT", "HEAD"):
            raise Err(Error.INVALID)
        if origin not in self.http:
            raise Err(Error.NOT_GRANTED)
        self.requests.append(request)
        answer = self.http[origin]
        if answer is None:
            raise Err(Error.UNAVAILABLE)
        return answer

    def listed(self, name: str, entry: str) -> Optional[str]:
        """What stands behind the longest line that is the entry, or a domain above it."""
        if name not in self.lists:
            raise Err(Error.INVALID)
        entry = entry.lower()
        lines = [line.partition(" ") for line in self.lists[name]]
        held = [(word, rest) for word, _, rest in lines if entry == word.lower() or entry.endswith("." + word.lower())]
        return max(held, key=lambda line: len(line[0]))[1].strip() if held else None

    def meter(self, name: str, change: Callable[[float], float]) -> None:
        value = change(self.metrics.get(name, 0))
        if not METRIC.fullmatch(name) or value != value:
            raise Err(Error.INVALID)
        self.metrics[name] = value
