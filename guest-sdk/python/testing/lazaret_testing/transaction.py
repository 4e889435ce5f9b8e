"""A session with one transaction, played to a filter."""

import copy
import json
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from wit_world.exports.on_outcome import ResultOfTransaction
from wit_world.imports import types
from wit_world.imports.types import Address, Parameter, Verdict

from . import host as hosts
from .host import Facts, Host
from .message import Message
from .outside import Outside

CODES = {types.Verdict_Reject: 550, types.Verdict_Defer: 451, types.Verdict_Disconnect: 421}
"""Verdicts that refuse, each with its usual code."""
MARKS = (types.Verdict_Quarantine, types.Verdict_Discard)


class Report:
    """What a filter said and did."""

    def __init__(self, host: Host, verdicts: List[Tuple[str, Verdict]], recipients: List[str]) -> None:
        self.verdicts = verdicts
        """Stage and verdict, in order."""
        self.recipients = recipients
        """Mailboxes of the recipients that were not refused."""
        self.edits, self.log, self.held = host.edits, host.log, host.held
        self.scores = {symbol: points for _, symbol, points, _ in host.scores}
        self.notes = {key: value for (filter, _, key), value in host.notes.items() if filter == host.filter_name}
        self.requests, self.metrics = host.outside.requests, host.outside.metrics
        self.message = host.message.octets
        """The message after all edits."""

    @property
    def stage(self) -> str:
        """Where the filter was asked last for a verdict."""
        return self.verdicts[-1][0]

    @property
    def said(self) -> str:
        """The last verdict in words: `continue`, `reject 550 5.7.1 no bulk mail`, `quarantine reason`."""
        return in_words(self.verdicts[-1][1]) if self.verdicts else "continue"


def in_words(verdict: Verdict) -> str:
    """A verdict as one line."""
    words = [type(verdict).__name__.removeprefix("Verdict_").lower()]
    value = getattr(verdict, "value", None)
    if isinstance(value, types.Reply):
        words += [str(word) for word in (value.code, value.enhanced, value.text) if word is not None]
    elif value is not None:
        words.append(value)
    return " ".join(words)


def address(mailbox: str, parameters: Mapping[str, Optional[str]] = {}) -> Address:
    """A path of the envelope with its ESMTP parameters."""
    local_part, _, domain = mailbox.rpartition("@") if "@" in mailbox else (mailbox, "", "")
    return Address(mailbox, local_part, domain, [Parameter(word, value) for word, value in parameters.items()])


class Transaction:
    """What a client does; what is left out has a harmless value."""

    def __init__(
        self,
        sender: str = "sender@example.net",
        recipients: Iterable[str] = ("recipient@example.org",),
        message: Union[str, bytes] = "Subject: test\n\ntest\n",
        *,
        parameters: Mapping[str, Optional[str]] = {},
        client: str = "192.0.2.1",
        client_name: Optional[str] = None,
        listener: str = "mx",
        hello: str = "client.example.net",
        tls: Any = None,
        user: Optional[str] = None,
        early_talker: bool = False,
        deny: Iterable[str] = (),
        notes: Mapping[Tuple[str, str], str] = {},
        dns: Mapping[str, Mapping[str, Union[str, List[str]]]] = {},
        state: Optional[Dict[str, Any]] = None,
        http: Mapping[str, Optional[Tuple[int, bytes]]] = {},
        lists: Mapping[str, List[str]] = {},
    ) -> None:
        """`deny` names permissions; `notes` has what other filters left, by filter and key.

        `dns` has records by name and kind, `{"example.org": {"mx": ["10 mx.example.org"]}}`, or a word such as `failed` in
        their place; `state` is what the filter remembers, and may be given to several transactions; `http` has status and
        content by origin, None where nobody answers; `lists` has lines by list."""
        self.outside = Outside(dns, {} if state is None else state, http, lists)
        self.facts = Facts(client, client_name, listener, hello, tls, user, early_talker)
        self.sender = address(sender, parameters)
        self.recipients = [address(mailbox) for mailbox in recipients]
        self.message = Message(message.encode() if isinstance(message, str) else message)
        self.denied = set(deny)
        self.notes = {(filter, "connection", key): value for (filter, key), value in notes.items()}

    def run(self, filter_class: type, config: Mapping[str, Any] = {}, name: str = "filter") -> Report:
        """From connection to disconnection, until a refusal ends it. A ValueError of `configure` goes to the test.

        `name` is the filter's own, under which its notes and scores are kept."""
        host = Host(self.facts, self.denied, name, dict(self.notes), outside=self.outside)
        hosts.play(host)
        try:
            return _Play(self, host, filter_class, config).report()
        finally:
            hosts.play(None)


class _Play:
    def __init__(self, transaction: Transaction, host: Host, filter_class: type, config: Mapping[str, Any]) -> None:
        self.transaction, self.host = transaction, host
        self.verdicts: List[Tuple[str, Verdict]] = []
        self.accepted = False
        """At a stage other than rcpt, where it is for that recipient."""
        self.configured = filter_class()
        if hasattr(self.configured, "configure"):
            self.configured.configure(json.loads(json.dumps(config)))

    def report(self) -> Report:
        said = self.connection() or self.transact()
        self.ask(self.fork(), "disconnect", "closed" if said is None else "refused")
        return Report(self.host, self.verdicts, [recipient.mailbox for recipient in self.host.recipients])

    def fork(self) -> Any:
        """A sandbox: its own copy of the configured filter."""
        return copy.deepcopy(self.configured)

    def connection(self) -> Optional[Verdict]:
        """Until HELO has been answered."""
        refused = self.ask(self.fork(), "connect")
        if refused is None:
            self.host.greeting = self.transaction.facts.hello
            refused = self.ask(self.fork(), "hello", self.host.greeting)
        return refused

    def transact(self) -> Optional[Verdict]:
        """From MAIL to the end of data, all in one sandbox. Without an end of data there is no outcome to tell."""
        sandbox, host = self.fork(), self.host
        host.sender = self.transaction.sender
        early = self.ask(sandbox, "mail", host.sender) or self.envelope(sandbox)
        if early or not host.recipients:
            return early
        host.message = self.transaction.message
        refused = self.ask(sandbox, "headers") or self.ask(sandbox, "message")
        self.ask(sandbox, "outcome", self.result(refused))
        return refused

    def envelope(self, sandbox: Any) -> Optional[Verdict]:
        """Each recipient by itself: a refusal is for it alone, but `disconnect` for all. A marked one is not refused."""
        for recipient in self.transaction.recipients:
            refused = self.ask(sandbox, "rcpt", recipient)
            if isinstance(refused, types.Verdict_Disconnect):
                return refused
            if refused is None:
                self.host.recipients.append(recipient)
        return None

    def ask(self, sandbox: Any, stage: str, *facts: Any) -> Optional[Verdict]:
        """A refusal, or None: marks (quarantine, discard) end nothing. After an accept only observers are asked.

        Edits show from the next call on."""
        observes = stage in ("outcome", "disconnect")
        if not hasattr(sandbox, stage) or (self.accepted and not observes):
            return None
        self.host.begin(stage)
        verdict = getattr(sandbox, stage)(*facts)
        self.host.message = self.host.pending or self.host.message
        if observes:
            return None
        self.verdicts.append((stage, verdict))
        self.accepted |= isinstance(verdict, types.Verdict_Accept) and stage != "rcpt"
        return verdict if type(verdict) in CODES else None

    def result(self, refused: Optional[Verdict]) -> ResultOfTransaction:
        """What the client was told at the end of data, and who decided it."""
        if refused is not None:
            reply = refused.value
            return ResultOfTransaction(reply.code or CODES[type(refused)], reply.text, self.host.filter_name, None)
        marks = [stage for stage, verdict in self.verdicts if isinstance(verdict, MARKS)]
        if any(stage != "rcpt" for stage in marks) or len(marks) == len(self.host.recipients):
            return ResultOfTransaction(250, "OK", self.host.filter_name, None)
        return ResultOfTransaction(250, "OK", None, "TEST")
