"""What filters in Python like to have: short names for verdicts, and one class for all stages.

Everything else comes from the modules that componentize-py makes of the contract: `wit_world.imports.headers`,
`wit_world.imports.score` and so on, one for each permission that your world imports.
"""

import json
import sys
from typing import Any, Optional, TypeVar

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    Address,
    Error,
    Parameter,
    Reply,
    Verdict,
    Verdict_Accept,
    Verdict_Continue,
    Verdict_Defer,
    Verdict_Discard,
    Verdict_Disconnect,
    Verdict_Quarantine,
    Verdict_Reject,
)

__all__ = [
    "ACCEPT", "CONTINUE", "DISCARD", "Address", "Err", "Error", "Parameter", "Reply", "Verdict",
    "defer", "disconnect", "export", "quarantine", "reject",
]  # fmt: skip

CONTINUE = Verdict_Continue()
"""No objection; the next filter is asked."""
ACCEPT = Verdict_Accept()
"""No objection, and no later filter is asked. The operator must grant it."""
DISCARD = Verdict_Discard()
"""Tell the client 250, deliver to nobody. The operator must grant it."""


def reject(text: str, code: Optional[int] = None, enhanced: Optional[str] = None) -> Verdict:
    """Refuse for good (5xx), with text for the sender: printable US-ASCII, at most ten lines and 400 octets together; else
    the host's own words stand in place of all of it."""
    return Verdict_Reject(Reply(code, enhanced, text))


def defer(text: str, code: Optional[int] = None, enhanced: Optional[str] = None) -> Verdict:
    """Refuse for now (4xx): an honest client tries again."""
    return Verdict_Defer(Reply(code, enhanced, text))


def disconnect(text: str, code: Optional[int] = None, enhanced: Optional[str] = None) -> Verdict:
    """Reply and close the connection. The operator must grant it."""
    return Verdict_Disconnect(Reply(code, enhanced, text))


def quarantine(reason: str) -> Verdict:
    """Tell the client 250 once the message is safe in the quarantine. The operator must grant it."""
    return Verdict_Quarantine(reason)


STAGES = {
    "connect": "OnConnect",
    "hello": "OnHello",
    "auth": "OnAuth",
    "mail": "OnMail",
    "rcpt": "OnRcpt",
    "headers": "OnHeaders",
    "message": "OnMessage",
    "outcome": "OnOutcome",
    "disconnect": "OnDisconnect",
}
"""The methods that `export` looks for, and the class that componentize-py wants for each."""

Filter = TypeVar("Filter")


def export(filter_class: type[Filter]) -> type[Filter]:
    """Makes a class a filter: each method named like a stage answers at that stage, all of them with the same `self`.

    `__init__` runs when the component is built, without arguments. `configure`, if there is one, gets the `[config]`
    table as a dict; a ValueError that it raises is an error of the operator's, who reads its text.
    """
    module = sys.modules[filter_class.__module__]
    filter = filter_class()
    for stage, interface in STAGES.items():
        method = getattr(filter, stage, None)
        if method is None:
            continue
        if not hasattr(exports, interface):
            raise TypeError(f"{filter_class.__name__}.{stage}: the world does not include `stage-{stage}`")
        setattr(module, interface, type(interface, (), {stage: staticmethod(method)}))
    setattr(module, "WitWorld", type("WitWorld", (), {"configure": staticmethod(_configure(filter))}))
    return filter_class


def _configure(filter: Any) -> Any:
    """The export `configure` for a filter; one without settings takes none."""

    def configure(config: str) -> None:
        settings = json.loads(config)
        try:
            if hasattr(filter, "configure"):
                filter.configure(settings)
            elif settings:
                raise ValueError("this filter has no settings: remove [config]")
        except ValueError as error:
            raise Err(str(error)) from error

    return configure
