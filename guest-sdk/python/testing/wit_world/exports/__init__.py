"""What a filter can export: a class for each stage."""

from typing import Optional, Protocol

from ..imports.types import Address, Verdict
from . import on_outcome


class OnConnect(Protocol):
    def connect(self) -> Verdict: ...


class OnHello(Protocol):
    def hello(self, name: str) -> Verdict: ...


class OnAuth(Protocol):
    def auth(self, mechanism: str, name: Optional[str]) -> Verdict: ...


class OnMail(Protocol):
    def mail(self, sender: Address) -> Verdict: ...


class OnRcpt(Protocol):
    def rcpt(self, recipient: Address) -> Verdict: ...


class OnHeaders(Protocol):
    def headers(self) -> Verdict: ...


class OnMessage(Protocol):
    def message(self) -> Verdict: ...


class OnOutcome(Protocol):
    def outcome(self, transaction: on_outcome.ResultOfTransaction) -> None: ...


class OnDisconnect(Protocol):
    def disconnect(self, reason: str) -> None: ...
