"""Permission `body`."""

from lazaret_testing.host import CHUNK, current


def size() -> int:
    host = current()
    return len(host.message.octets) if host.at("message") and "body" not in host.denied else 0


def read(offset: int, length: int) -> bytes:
    current().check("body", "message")
    return current().message.octets[offset : offset + min(length, CHUNK)]
