"""The message of a test: fields, octets, MIME parts."""

import email
import hashlib
import re
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message as Tree
from typing import Any, Iterator, List, Optional, Tuple

from componentize_py_types import Err
from wit_world.imports.types import Error

FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)


class Message:
    """A message as octets; a lone LF in a test's text counts as a line end."""

    def __init__(self, text: bytes) -> None:
        octets = re.sub(rb"\r?\n", b"\r\n", text)
        if octets.startswith(b"\r\n"):
            head, self.body = b"", octets[2:]
        else:
            head, _, self.body = octets.partition(b"\r\n\r\n")
        lines = re.split(rb"\r\n(?![ \t])", head.removesuffix(b"\r\n")) if head else []
        self.fields: List[Tuple[str, bytes]] = [_field(line) for line in lines]

    def copy(self) -> "Message":
        """The same message, to be edited."""
        other = Message(b"")
        other.fields, other.body = list(self.fields), self.body
        return other

    @property
    def octets(self) -> bytes:
        """Header section, empty line, body."""
        head = b"".join(name.encode() + b":" * bool(name) + value + b"\r\n" for name, value in self.fields)
        return head + b"\r\n" + self.body

    def places(self, name: str) -> List[int]:
        """Where the fields of a name are, in any case of letters."""
        return [place for place, (known, _) in enumerate(self.fields) if known.lower() == name.lower()]

    def text(self, name: str) -> List[str]:
        """Values of the fields of a name, unfolded and decoded."""
        values = [self.fields[place][1] for place in self.places(name)]
        return [_decoded(value.replace(b"\r\n", b"").decode("utf-8", "replace").strip()) for value in values]

    def leaves(self) -> List["Leaf"]:
        """The MIME tree, each part after the one that holds it."""
        return list(_walk(_parsed(self.octets), None, 0))

    def leaf(self, index: int) -> "Leaf":
        """One part of it; `invalid` when there is none."""
        leaves = self.leaves()
        if index >= len(leaves):
            raise Err(Error.INVALID)
        return leaves[index]


class _Entity(Tree):
    """Read without a look into what is enclosed in it: all octets of a message/rfc822 part are its own, as with the host."""

    def kind(self) -> str:
        return super().get_content_type()

    def get_content_type(self) -> str:
        return "application/octet-stream" if self.kind().startswith("message/") else self.kind()

    def below(self, octets: bytes) -> List["_Entity"]:
        if self.is_multipart():
            return self.get_payload()
        return [_parsed(octets)] if self.kind() in ("message/rfc822", "message/global") else []


def _parsed(octets: bytes) -> _Entity:
    return email.message_from_bytes(octets, _class=_Entity)


@dataclass
class Leaf:
    """A part, with its decoded octets (of a multipart: none)."""

    part: Any
    octets: bytes
    charset: str

    def text(self) -> str:
        """As the host decodes text parts."""
        if not self.part.content_type.startswith("text/"):
            raise Err(Error.INVALID)
        try:
            return self.octets.decode(self.charset, "replace")
        except LookupError:
            return self.octets.decode("utf-8", "replace")


def _field(line: bytes) -> Tuple[str, bytes]:
    match = FIELD.fullmatch(line)
    return (match[1].decode(), match[2]) if match else ("", line)


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, ValueError):
        return text


def _walk(tree: _Entity, parent: Optional[int], index: int) -> Iterator[Leaf]:
    from wit_world.imports.parts import Part

    octets = b"" if tree.is_multipart() else bytes(tree.get_payload(decode=True) or b"")
    part = Part(
        index=index,
        parent=parent,
        content_type=tree.kind(),
        name=_decoded(name) if (name := tree.get_filename()) else None,
        attachment=tree.get_content_disposition() == "attachment",
        size=len(octets),
        sha256=hashlib.sha256(octets).hexdigest(),
    )
    yield Leaf(part, octets, tree.get_content_charset() or "utf-8")
    following = index + 1
    for below in tree.below(octets):
        for leaf in _walk(below, index, following):
            yield leaf
            following = leaf.part.index + 1
