"""Permission `dns`."""

from dataclasses import dataclass
from enum import Enum
from typing import List, Union

from lazaret_testing.host import outside


class Kind(Enum):
    A = 0
    AAAA = 1
    MX = 2
    TXT = 3
    PTR = 4


@dataclass
class Query:
    name: str
    kind: Kind


@dataclass
class Answer_Records:
    value: List[str]


@dataclass
class Answer_NoName:
    pass


@dataclass
class Answer_NoData:
    pass


@dataclass
class Answer_Failed:
    pass


@dataclass
class Answer_Late:
    pass


Answer = Union[Answer_Records, Answer_NoName, Answer_NoData, Answer_Failed, Answer_Late]

_WORDS = {"no-name": Answer_NoName, "no-data": Answer_NoData, "failed": Answer_Failed, "late": Answer_Late}


def lookup(name: str, kind: Kind) -> Answer:
    said = outside("dns").name(name, kind.name.lower())
    return _WORDS[said]() if isinstance(said, str) else Answer_Records(said)


def lookup_all(queries: List[Query]) -> List[Answer]:
    return [lookup(query.name, query.kind) for query in queries]
