"""The reference filter in Python: everything the contract has, once. Its specification is guest-sdk/reference/README.md."""

from collections.abc import Callable
from typing import Any

from lazaret import (
    ACCEPT,
    CONTINUE,
    DISCARD,
    Address,
    Err,
    Verdict,
    defer,
    disconnect,
    export,
    quarantine,
    reject,
)
from settings import Settings
from wit_world.exports.on_outcome import ResultOfTransaction
from wit_world.imports import body, edit_headers, entropy, envelope, headers, log, notes, pace, parts, score, session
from wit_world.imports.log import Level
from wit_world.imports.notes import Scope
from wit_world.imports.types import Error

CHUNK = 65536
"""Octets that `body.read` gives at once."""

VERDICTS = {
    "continue": CONTINUE,
    "accept": ACCEPT,
    "discard": DISCARD,
    "reject": reject("told to reject"),
    "defer": defer("told to defer"),
    "disconnect": disconnect("told to disconnect"),
    "quarantine": quarantine("told to quarantine"),
    "coded": reject("told to use codes", 554, "5.7.26"),
}
"""Commands that do nothing but end the stage."""


def name_of(error: Error) -> str:
    """An error by its name in the contract."""
    return error.name.lower().replace("_", "-")


def answer(call: Callable[..., Any], *arguments: Any) -> str:
    """`ok` for a call that the host carried out, else the name of the error."""
    try:
        call(*arguments)
        return "ok"
    except Err as error:
        return name_of(error.value)


def value_of(call: Callable[..., Any], *arguments: Any) -> str:
    """What a call gives, in words, or the name of the error."""
    try:
        return str(call(*arguments))
    except Err as error:
        return name_of(error.value)


def or_none(value: object) -> str:
    """A value in words, `none` for what is not there."""
    return "none" if value is None else str(value)


def yes_or_no(value: bool) -> str:
    """A bool as other languages write it."""
    return "true" if value else "false"


def command_in(name: str) -> str | None:
    """The command of a name or local part: `try-reject.example.com` holds `reject`."""
    if not name.startswith("try-"):
        return None
    return name.removeprefix("try-").split(".", 1)[0]


@export
class Reference:
    """All stages share this object: one copy of it for a transaction, one for each call at the connection."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.early_answer = ""
        self.calls = 0

    def configure(self, config: dict[str, Any]) -> None:
        self.settings = Settings.parse(config)
        log.write(Level.INFO, f"configured: {len(self.settings.domains)} domains")
        self.early_answer = answer(notes.get, "reference", "client")

    def connect(self) -> Verdict:
        self.calls += 1
        answer(notes.set, Scope.CONNECTION, "client", session.client().address)
        return self.obey("connect", command_in(session.listener()))

    def hello(self, name: str) -> Verdict:
        self.calls += 1
        return self.obey("hello", command_in(name))

    def auth(self, mechanism: str, name: str | None) -> Verdict:
        self.calls += 1
        return self.obey("auth", command_in(name or ""))

    def mail(self, sender: Address) -> Verdict:
        self.calls += 1
        domain = sender.domain.lower()
        if domain in self.settings.domains:
            said = answer(score.add, "LISTED", self.settings.points, f"{domain} is listed")
            if said != "ok":
                log.write(Level.WARN, f"score: {said}")
        return self.obey("mail", command_in(sender.local_part))

    def rcpt(self, recipient: Address) -> Verdict:
        self.calls += 1
        return self.obey("rcpt", command_in(recipient.local_part))

    def headers(self) -> Verdict:
        self.calls += 1
        return self.obey_fields("headers")

    def message(self) -> Verdict:
        self.calls += 1
        return self.obey_fields("message")

    def outcome(self, transaction: ResultOfTransaction) -> None:
        self.calls += 1
        by, queue = or_none(transaction.decided_by), or_none(transaction.queue_id)
        log.write(Level.INFO, f"outcome {transaction.code} by={by} queue={queue}")

    def disconnect(self, reason: str) -> None:
        self.calls += 1
        log.write(Level.INFO, f"disconnect {reason}")

    def obey_fields(self, stage: str) -> Verdict:
        """The commands for this stage in the fields X-Try, until one has a verdict."""
        for field in headers.text("X-Try"):
            target, _, command = field.partition(" ")
            if target == stage:
                verdict = self.obey(stage, command)
                if verdict != CONTINUE:
                    return verdict
        return CONTINUE

    def obey(self, stage: str, command: str | None) -> Verdict:
        """Does what a command says; nothing without one."""
        if command is None:
            return CONTINUE
        log.write(Level.INFO, f"{stage}: {command}")
        match command:
            case "trap":
                raise RuntimeError("told to trap")
            case "hold":
                answer(pace.hold, 300)
            case "random":
                return reject(entropy.random(8).hex())
            case "facts":
                return reject(self.facts())
            case "errors":
                return reject(self.errors())
            case "limit":
                return reject(fill_notes())
            case "edits":
                edit(stage)
            case "report":
                self.report()
            case _:
                return VERDICTS.get(command) or reject(f"unknown command {command}")
        return CONTINUE

    def facts(self) -> str:
        """What the permissions say that cannot refuse."""
        client, fields = session.client(), headers.all()
        recipients = ",".join(recipient.mailbox for recipient in envelope.recipients())
        return " ".join(
            [
                f"listener={session.listener()} client={client.address} name={or_none(client.name)}",
                f"hello={or_none(session.hello())} tls={tls()} user={or_none(session.user())}",
                f"early={yes_or_no(session.early_talker())} sender={sender()} recipients={recipients or 'none'}",
                f"fields={len(fields)} raw={sum(len(field.value) for field in fields)}",
                f"size={body.size()} calls={self.calls}",
            ]
        )

    def errors(self) -> str:
        """Calls of which some must fail at each stage."""
        return " ".join(
            [
                f"configure={self.early_answer}",
                f"edit={answer(edit_headers.add, 'X Bad', 'value')}",
                f"body={answer(body.read, 0, 1)}",
                f"part={answer(parts.text, 9999)}",
                f"score={answer(score.add, '', 1.0, '')}",
                f"note={answer(notes.set, Scope.TRANSACTION, 'key', 'value')}",
                f"hold={answer(pace.hold, 0)}",
            ]
        )

    def report(self) -> None:
        """Fields that tell what the filter sees of the message."""
        add("X-Reference-Facts", self.facts())
        add("X-Reference-Body", value_of(body_lines))
        add("X-Reference-Parts", value_of(part_list))
        add("X-Reference-Text", value_of(first_text))
        add("X-Reference-Score", value_of(score_list))
        add("X-Reference-Note", value_of(lambda: or_none(notes.get("reference", "client"))))


def add(name: str, value: str) -> None:
    """Adds a field, whatever the host says to it."""
    answer(edit_headers.add, name, value)


def tls() -> str:
    """Version, server name and subject of the client's certificate."""
    info = session.tls()
    if info is None:
        return "none"
    certificate = info.client_certificate
    subject = certificate.subject if certificate else None
    return f"{info.version}/{or_none(info.server_name)}/{or_none(subject)}"


def sender() -> str:
    """The sender with its ESMTP parameters."""
    address = envelope.sender()
    if address is None:
        return "none"
    words = [p.keyword if p.value is None else f"{p.keyword}={p.value}" for p in address.parameters]
    return ";".join([address.mailbox, *words])


def fill_notes() -> str:
    """Notes until the host takes no more of them in this call."""
    count = 0
    while (said := answer(notes.set, Scope.CONNECTION, "again", "x")) == "ok":
        count += 1
    return f"{count} notes, then {said}"


def edit(stage: str) -> None:
    """Every kind of edit."""
    add("X-Reference", f"added at {stage}")
    subject = " ".join([f"[{stage}]", *headers.text("Subject")[:1]])
    replaced = answer(edit_headers.replace, "Subject", 0, subject)
    if replaced != "ok":
        add("X-Reference-Replace", replaced)
    add("X-Removed", value_of(edit_headers.remove, "X-Remove", None))
    answer(edit_headers.remove, "X-Remove-Second", 1)


def body_lines() -> str:
    """Octets and lines of the message, read in pieces."""
    octets = lines = 0
    while piece := body.read(octets, CHUNK):
        octets += len(piece)
        lines += piece.count(b"\n")
    return f"{octets} octets, {lines} lines"


def part_list() -> str:
    """The MIME tree, a word for each part."""
    return " ".join(
        f"{p.index}:{or_none(p.parent)}:{p.content_type}:{or_none(p.name)}:"
        f"{'attachment' if p.attachment else 'inline'}:{p.size}:{p.sha256[:8]}"
        for p in parts.all()
    )


def first_text() -> str:
    """The first line of the first text part."""
    for part in parts.all():
        if part.content_type.startswith("text/"):
            return parts.text(part.index).split("\n")[0].split("\r")[0]
    return "none"


def score_list() -> str:
    """The total, and who gave what and why."""
    words = [f"{score.total():.1f}"]
    words += [f"{entry.filter}:{entry.symbol}:{entry.points:.1f} ({entry.why})" for entry in score.all()]
    return " ".join(words)
