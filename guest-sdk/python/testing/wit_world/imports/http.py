"""Permission `http`."""

from dataclasses import dataclass
from typing import List, Union

from lazaret_testing.host import current, outside


@dataclass
class Field:
    name: str
    value: str


@dataclass
class Content_None:
    pass


@dataclass
class Content_Octets:
    value: bytes


@dataclass
class Content_Message:
    pass


Content = Union[Content_None, Content_Octets, Content_Message]


@dataclass
class Request:
    verb: str
    url: str
    fields: List[Field]
    content: Content


@dataclass
class Response:
    status: int
    fields: List[Field]
    content: bytes


def fetch(request: Request) -> Response:
    if isinstance(request.content, Content_Message):
        current().check("body", "message")
    origin = "/".join(request.url.split("/")[:3])
    status, content = outside("http").fetch(origin, request)
    return Response(status, [], content)
