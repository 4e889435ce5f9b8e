"""The host that answers the filter's calls during a test."""

import math
import re
from dataclasses import dataclass, field
from typing import Any, List, Optional, Tuple, TypeVar

from componentize_py_types import Err
from wit_world.imports.types import Address, Error

from .message import Message
from .outside import Outside

CHUNK = 65536
"""Octets that one read gives at most."""
MOST_EDITS, MOST_SCORES, MOST_NOTES, MOST_HOLD = 256, 100, 32, 30_000
"""What one call may do; of `pace` milliseconds in all."""
FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
SYMBOL = re.compile(r"[A-Za-z0-9_.-]{1,64}")

Known = TypeVar("Known")


@dataclass
class Facts:
    """What a test says about the client."""

    client: str
    client_name: Optional[str]
    listener: str
    hello: str
    tls: Any
    user: Optional[str]
    early_talker: bool


@dataclass
class Host:
    """One session with one transaction, and what the filter did in it."""

    facts: Facts
    denied: set[str]
    filter_name: str
    notes: dict[Tuple[str, str, str], str]
    stage: str = "configure"
    greeting: Optional[str] = None
    sender: Optional[Address] = None
    recipients: List[Address] = field(default_factory=list)
    message: Message = field(default_factory=lambda: Message(b""))
    outside: Outside = field(default_factory=lambda: Outside({}, {}, {}, {}))
    pending: Optional[Message] = None
    edits: List[str] = field(default_factory=list)
    scores: List[Tuple[str, str, float, str]] = field(default_factory=list)
    held: int = 0
    log: List[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    after_configure = ("connect", "hello", "auth", "mail", "rcpt", "headers", "message", "outcome", "disconnect")
    with_verdict = after_configure[:-2]

    def begin(self, stage: str) -> None:
        """The next call of the filter."""
        self.stage, self.counts, self.pending = stage, {}, None

    def at(self, *stages: str) -> bool:
        """Whether the call under way is of one of these stages."""
        return self.stage in stages

    def known(self, value: Known, otherwise: Known) -> Known:
        """A fact of the session, of which `configure` knows nothing."""
        return otherwise if self.at("configure") else value

    def shown(self) -> Message:
        """The message whose fields may be read now: an empty one before it is there, and when it is gone."""
        return self.message if self.at("headers", "message") else Message(b"")

    def check(self, permission: str, *stages: str) -> None:
        """Raises what the host answers to a call that is denied, or made at the wrong time."""
        if permission in self.denied:
            raise Err(Error.NOT_GRANTED)
        if not self.at(*stages):
            raise Err(Error.NOT_NOW)

    def count(self, what: str, most: int) -> None:
        """One more of something of which a call may do only so many."""
        self.counts[what] = self.counts.get(what, 0) + 1
        if self.counts[what] > most:
            raise Err(Error.LIMIT)

    def edit(self, name: str, value: str = "") -> "Edits":
        """The edits of this call, if there may be one more with these words."""
        self.check("edit-headers", "headers", "message")
        if not FIELD_NAME.fullmatch(name) or CONTROLS.search(value):
            raise Err(Error.INVALID)
        self.count("edits", MOST_EDITS)
        if self.pending is None:
            self.pending = self.message.copy()
        return Edits(self.pending, self.edits)

    def score(self, symbol: str, points: float, why: str) -> None:
        self.check("score", "mail", "rcpt", "headers", "message")
        words_fit = SYMBOL.fullmatch(symbol) and len(why.encode()) <= 200 and not CONTROLS.search(why)
        if not words_fit or not math.isfinite(points):
            raise Err(Error.INVALID)
        self.count("scores", MOST_SCORES)
        self.scores.append((self.filter_name, symbol, points, why))

    def set_note(self, scope: str, key: str, value: str) -> None:
        self.check("notes", *self.with_verdict)
        if scope == "transaction" and self.at("connect", "hello", "auth"):
            raise Err(Error.NOT_NOW)
        if not SYMBOL.fullmatch(key) or len(value.encode()) > 1024:
            raise Err(Error.INVALID)
        self.count("notes", MOST_NOTES)
        self.notes[(self.filter_name, scope, key)] = value

    def note(self, filter: str, key: str) -> Optional[str]:
        self.check("notes", *self.after_configure)
        return self.notes.get((filter, "transaction", key), self.notes.get((filter, "connection", key)))

    def hold(self, milliseconds: int) -> None:
        self.check("pace", *self.with_verdict)
        self.held = min(self.held + milliseconds, MOST_HOLD)


@dataclass
class Edits:
    """The edits of one call: made to a copy of the message that is shown from the next stage on."""

    message: Message
    done: List[str]

    def add(self, name: str, value: str) -> None:
        self.message.fields.insert(0, (name, f" {value}".encode()))
        self.done.append(f"add {name}: {value}")

    def replace(self, name: str, nth: int, value: str) -> None:
        places = self.message.places(name)
        if nth >= len(places):
            raise Err(Error.INVALID)
        self.message.fields[places[nth]] = (name, f" {value}".encode())
        self.done.append(f"replace {name}[{nth}]: {value}")

    def remove(self, name: str, nth: Optional[int]) -> int:
        places = self.message.places(name)
        chosen = places if nth is None else places[nth : nth + 1]
        for place in reversed(chosen):
            del self.message.fields[place]
        self.done.append(f"remove {name}" if nth is None else f"remove {name}[{nth}]")
        return len(chosen)


_current: Optional[Host] = None


def play(host: Optional[Host]) -> None:
    """The host that answers from now on."""
    global _current
    _current = host


def current() -> Host:
    """The host of the transaction under way."""
    if _current is None:
        raise RuntimeError("no transaction is played: call the filter by lazaret_testing.Transaction(..).run(..)")
    return _current


def outside(permission: str) -> Outside:
    """What lies outside, if that may be asked now."""
    current().check(permission, *Host.after_configure)
    return current().outside
