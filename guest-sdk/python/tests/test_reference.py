"""The reference filter in plain Python."""

import unittest

from lazaret import quarantine
from lazaret_testing import Transaction
from reference import Reference

SETTINGS = {"domains": ["bulk.example.com"], "points": 2.5}


def play(*fields: str, **facts: object):
    """A message with these fields, by a client of whom these facts are known."""
    message = "".join(f"{field}\n" for field in fields) + "\nbody\n"
    return Transaction(message=message, **facts).run(Reference, SETTINGS, "reference")


class Settings(unittest.TestCase):
    def refused(self, config: dict) -> str:
        with self.assertRaises(ValueError) as caught:
            Transaction().run(Reference, config)
        return str(caught.exception)

    def test_each_mistake_is_named(self):
        self.assertIn("`colour`", self.refused({"domains": ["example.com"], "colour": "red"}))
        self.assertIn("`domains`", self.refused({}))
        self.assertIn("`domains`", self.refused({"domains": "example.com"}))
        self.assertIn("`domains`", self.refused({"domains": [1]}))
        self.assertIn("`domains`", self.refused({"domains": []}))
        self.assertIn("`points`", self.refused({"domains": ["example.com"], "points": "many"}))
        self.assertIn("`points`", self.refused({"domains": ["example.com"], "points": True}))

    def test_points_are_one_if_not_said(self):
        report = Transaction(sender="a@Bulk.example.com").run(Reference, {"domains": ["bulk.example.com"]})
        self.assertEqual(report.scores, {"LISTED": 1.0})


class Stages(unittest.TestCase):
    def test_commands_are_obeyed_at_each_stage(self):
        self.assertEqual(play(listener="try-defer").verdicts[-1][0], "connect")
        self.assertEqual(play(hello="try-reject.example.com").said, "reject told to reject")
        self.assertEqual(play(sender="try-coded@example.com").said, "reject 554 5.7.26 told to use codes")
        self.assertIn(("headers", quarantine("told to quarantine")), play("X-Try: headers quarantine").verdicts)
        self.assertEqual(play("X-Try: message discard").said, "discard")
        self.assertEqual(play("X-Try: message unheard").said, "reject unknown command unheard")

    def test_a_refused_recipient_ends_nothing(self):
        report = play(recipients=["try-reject@example.org", "bob@example.org"])
        self.assertEqual(report.recipients, ["bob@example.org"])
        self.assertEqual((report.stage, report.said), ("message", "continue"))

    def test_a_trap_is_an_exception(self):
        with self.assertRaisesRegex(RuntimeError, "told to trap"):
            play("X-Try: message trap")

    def test_calls_are_counted_in_their_sandbox(self):
        self.assertIn("calls=1", play(hello="try-facts").said)
        self.assertIn("calls=4", play("X-Try: message facts").said)


class Permissions(unittest.TestCase):
    def test_facts(self):
        said = play("X-Try: message facts", client_name="mail.example.net", parameters={"SIZE": "9", "BODY": None}).said
        self.assertIn("client=192.0.2.1 name=mail.example.net hello=client.example.net tls=none user=none", said)
        self.assertIn("sender=sender@example.net;SIZE=9;BODY recipients=recipient@example.org fields=1 raw=14", said)

    def test_errors_at_stages(self):
        end = "edit=not-now body=not-now part=not-now score=invalid note=ok hold=ok"
        self.assertEqual(play(sender="try-errors@example.com").said, f"reject configure=not-now {end}")
        end = "edit=invalid body=ok part=invalid score=invalid note=ok hold=ok"
        self.assertEqual(play("X-Try: message errors").said, f"reject configure=not-now {end}")

    def test_denied(self):
        denied = ["body", "parts", "edit-headers", "score", "notes", "pace"]
        words = ["configure", "edit", "body", "part", "score", "note", "hold"]
        said = play("X-Try: message errors", deny=denied).said
        self.assertEqual(said, "reject " + " ".join(f"{word}=not-granted" for word in words))

    def test_notes_end(self):
        self.assertEqual(play(sender="try-limit@example.com").said, "reject 32 notes, then limit")

    def test_random_is_new_each_time(self):
        said = {play("X-Try: message random").said for _ in range(8)}
        self.assertEqual(len(said), 8)

    def test_replies_are_held(self):
        self.assertEqual(play("X-Try: message hold").held, 300)


class Edits(unittest.TestCase):
    def test_edits(self):
        fields = ["Subject: one", "X-Remove: a", "X-Remove: b", "X-Remove-Second: a", "X-Remove-Second: b"]
        report = play(*fields, "X-Try: message edits")
        head, _, _ = report.message.partition(b"\r\n\r\n")
        self.assertEqual(
            head.decode().split("\r\n"),
            [
                "X-Removed: 2",
                "X-Reference: added at message",
                "Subject: [message] one",
                "X-Remove-Second: a",
                "X-Try: message edits",
            ],
        )

    def test_nothing_to_replace(self):
        self.assertIn("add X-Reference-Replace: invalid", play("X-Try: headers edits").edits)

    def test_report(self):
        report = play("Subject: r", "X-Try: message report", sender="a@bulk.example.com")
        said = dict(edit.removeprefix("add X-Reference-").split(": ", 1) for edit in report.edits)
        self.assertEqual(said["Body"], "43 octets, 4 lines")
        self.assertEqual(said["Parts"], "0:none:text/plain:none:inline:6:0a4e52a1")
        self.assertEqual(said["Text"], "body")
        self.assertEqual(said["Score"], "2.5 reference:LISTED:2.5 (bulk.example.com is listed)")
        self.assertEqual(said["Note"], "192.0.2.1")
