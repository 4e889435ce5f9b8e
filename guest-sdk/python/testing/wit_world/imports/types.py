"""Words that stages and permissions share."""

from dataclasses import dataclass
from enum import Enum
from typing import List, Optional, Union


@dataclass
class Reply:
    """What the client is told; the host puts its own words where a field is None or does not fit."""

    code: Optional[int]
    enhanced: Optional[str]
    text: str


@dataclass
class Verdict_Continue:
    pass


@dataclass
class Verdict_Accept:
    pass


@dataclass
class Verdict_Reject:
    value: Reply


@dataclass
class Verdict_Defer:
    value: Reply


@dataclass
class Verdict_Discard:
    pass


@dataclass
class Verdict_Quarantine:
    value: str


@dataclass
class Verdict_Disconnect:
    value: Reply


Verdict = Union[
    Verdict_Continue,
    Verdict_Accept,
    Verdict_Reject,
    Verdict_Defer,
    Verdict_Discard,
    Verdict_Quarantine,
    Verdict_Disconnect,
]


@dataclass
class Parameter:
    """An ESMTP parameter of MAIL or RCPT."""

    keyword: str
    value: Optional[str]


@dataclass
class Address:
    """A path of the envelope; all empty for `<>`."""

    mailbox: str
    local_part: str
    domain: str
    parameters: List[Parameter]


class Error(Enum):
    """Why a function of the host did nothing."""

    NOT_GRANTED = 0
    NOT_NOW = 1
    LIMIT = 2
    UNAVAILABLE = 3
    INVALID = 4
