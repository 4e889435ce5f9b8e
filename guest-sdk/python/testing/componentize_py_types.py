"""The module of this name that componentize-py generates, for tests without it."""

from dataclasses import dataclass
from typing import Generic, TypeVar, Union

T = TypeVar("T")
E = TypeVar("E")


@dataclass
class Some(Generic[T]):
    """An option that is there, where options nest."""

    value: T


@dataclass
class Ok(Generic[T]):
    """A result that is good, where results are values."""

    value: T


@dataclass(frozen=True)
class Err(Generic[E], Exception):
    """A result that is an error; raised by functions that answer with a result."""

    value: E


Result = Union[Ok[T], Err[E]]
