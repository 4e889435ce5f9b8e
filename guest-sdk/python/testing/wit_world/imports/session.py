"""Permission `session`."""

from dataclasses import dataclass
from typing import Optional

from lazaret_testing.host import current


@dataclass
class ClientInfo:
    address: str
    port: int
    name: Optional[str]


@dataclass
class Certificate:
    subject: str
    issuer: str
    sha256: str
    verified: bool


@dataclass
class TlsInfo:
    version: str
    cipher: str
    server_name: Optional[str]
    client_certificate: Optional[Certificate]


def id() -> str:
    return current().known("TEST", "")


def listener() -> str:
    return current().known(current().facts.listener, "")


def client() -> ClientInfo:
    facts = current().facts
    return current().known(ClientInfo(facts.client, 49152, facts.client_name), ClientInfo("", 0, None))


def hello() -> Optional[str]:
    return current().greeting


def tls() -> Optional[TlsInfo]:
    return current().known(current().facts.tls, None)


def user() -> Optional[str]:
    return current().known(current().facts.user, None)


def early_talker() -> bool:
    return current().known(current().facts.early_talker, False)
