"""The library, and the host that tests play with."""

import sys
import types
import unittest

from componentize_py_types import Err
from lazaret import ACCEPT, CONTINUE, DISCARD, defer, disconnect, export, quarantine, reject
from lazaret_testing import Transaction
from wit_world import exports
from wit_world.imports import body, edit_headers, envelope, headers, http, parts, score, session
from wit_world.imports.types import Error, Reply, Verdict_Defer, Verdict_Disconnect, Verdict_Quarantine, Verdict_Reject


def module_of(filter_class: type) -> types.ModuleType:
    """A new module with this class in it, as if it were a filter's own."""
    module = types.ModuleType("a_filter")
    sys.modules["a_filter"] = module
    filter_class.__module__ = "a_filter"
    export(filter_class)
    return module


class Verdicts(unittest.TestCase):
    def test_words(self):
        self.assertEqual(reject("no"), Verdict_Reject(Reply(None, None, "no")))
        self.assertEqual(defer("later", 450, "4.7.1"), Verdict_Defer(Reply(450, "4.7.1", "later")))
        self.assertEqual(disconnect("bye", 421), Verdict_Disconnect(Reply(421, None, "bye")))
        self.assertEqual(quarantine("odd"), Verdict_Quarantine("odd"))


class Counter:
    def __init__(self):
        self.most = 1
        self.asked = 0

    def configure(self, config):
        self.most = int(config.get("most", 1))

    def mail(self, sender):
        return CONTINUE

    def rcpt(self, recipient):
        self.asked += 1
        return CONTINUE if self.asked <= self.most else reject("too many")


class Exports(unittest.TestCase):
    def test_stages_that_are_there_are_exported_and_no_others(self):
        module = module_of(Counter)
        self.assertEqual({name for name in vars(module) if name[0] == "O"}, {"OnMail", "OnRcpt"})

    def test_all_stages_share_one_object(self):
        module = module_of(Counter)
        module.WitWorld().configure('{"most": 2}')
        said = [module.OnRcpt().rcpt(None) for _ in range(3)]
        self.assertEqual(said, [CONTINUE, CONTINUE, reject("too many")])

    def test_a_value_error_of_configure_is_for_the_operator(self):
        with self.assertRaises(Err) as caught:
            module_of(Counter).WitWorld().configure('{"most": "x"}')
        self.assertIn("'x'", caught.exception.value)

    def test_settings_for_a_filter_without_any_are_an_error(self):
        class Plain:
            def mail(self, sender):
                return CONTINUE

        module = module_of(Plain)
        module.WitWorld().configure("{}")
        with self.assertRaises(Err):
            module.WitWorld().configure('{"a": 1}')

    def test_a_stage_that_the_world_lacks_is_named(self):
        had = exports.OnMail
        del exports.OnMail
        try:
            with self.assertRaisesRegex(TypeError, "Counter.mail: the world does not include `stage-mail`"):
                module_of(Counter)
        finally:
            exports.OnMail = had


class Reader:
    """Keeps what it sees of a message."""

    seen: dict = {}

    def message(self):
        Reader.seen = {
            "subject": headers.text("subject"),
            "raw": [field.value for field in headers.all()],
            "parts": [(part.parent, part.content_type, part.name, part.attachment) for part in parts.all()],
            "text": parts.text(1),
            "body": body.read(0, 9),
            "past": body.read(10_000, 9),
        }
        return CONTINUE


MIXED = """Subject: =?utf-8?Q?gr=C3=BCn?= and
 folded
Content-Type: multipart/mixed; boundary=line

--line
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

gr=FCn
--line
Content-Type: application/pdf
Content-Disposition: attachment; filename=a.pdf

x
--line--
"""


FORWARDED = """Content-Type: multipart/mixed; boundary=line

--line
Content-Type: message/rfc822

Subject: in
X:1
Content-Type: text/html

<p>ü</p>
--line
Content-Type: message/rfc822
Content-Transfer-Encoding: base64

U3ViamVjdDogYg0KDQpj
--line
Content-Type: message/delivery-status

Action: failed

--line--
"""


class Session(unittest.TestCase):
    """As in tests/sessions/verdicts."""

    STAGES = ["connect", "hello", "mail", "rcpt", "headers", "message", "outcome", "disconnect"]
    TWO = ["eve@example.org", "bob@example.org"]

    def asked(self, recipients=("bob@example.org",), **said) -> str:
        """Every stage is there and says continue, if it is not told otherwise; gives those that were asked."""
        stages = []

        def stage(name):
            def answer(self, *facts):
                stages.append(name)
                return said.get(name, lambda *facts: CONTINUE)(*facts)

            return answer

        told = type("Told", (), {name: stage(name) for name in self.STAGES})
        Transaction(recipients=recipients).run(told)
        return " ".join(stages)

    def test_after_an_accept_only_observers_are_asked(self):
        self.assertEqual(self.asked(connect=lambda: ACCEPT), "connect outcome disconnect")
        self.assertEqual(self.asked(hello=lambda name: ACCEPT), "connect hello outcome disconnect")
        self.assertEqual(self.asked(mail=lambda sender: ACCEPT), "connect hello mail outcome disconnect")
        self.assertEqual(self.asked(headers=lambda: ACCEPT), "connect hello mail rcpt headers outcome disconnect")

    def test_accept_at_rcpt_is_for_that_recipient(self):
        asked = self.asked(self.TWO, rcpt=lambda recipient: ACCEPT)
        self.assertEqual(asked, " ".join(["connect hello mail rcpt", *self.STAGES[3:]]))

    def test_a_mark_ends_nothing(self):
        for mark in (quarantine("odd"), DISCARD):
            for stage in self.STAGES[:6]:
                self.assertEqual(self.asked(**{stage: lambda *facts: mark}), " ".join(self.STAGES), stage)

    def test_a_recipient_in_quarantine_is_one_of_the_envelope(self):
        seen = []

        def message():
            seen.extend(recipient.mailbox for recipient in envelope.recipients())
            return CONTINUE

        self.asked(self.TWO, rcpt=lambda it: quarantine("odd") if it.local_part == "eve" else CONTINUE, message=message)
        self.assertEqual(seen, self.TWO)

    def test_the_envelope_ends_with_its_transaction(self):
        seen = []
        self.asked(disconnect=lambda reason: seen.extend([envelope.sender(), envelope.recipients()]))
        self.assertEqual(seen, [None, []])

    def test_disconnect_at_rcpt_ends_all_of_it(self):
        asked = self.asked(self.TWO, rcpt=lambda recipient: disconnect("go"))
        self.assertEqual(asked, "connect hello mail rcpt disconnect")

    def test_an_outcome_is_that_of_an_end_of_data(self):
        self.assertEqual(self.asked(mail=lambda sender: reject("no")), "connect hello mail disconnect")
        self.assertEqual(self.asked(rcpt=lambda recipient: reject("no")), "connect hello mail rcpt disconnect")
        results = []

        def outcome(result):
            results.append((result.code, result.decided_by))

        self.asked(headers=lambda: disconnect("go"), outcome=outcome)
        self.asked(mail=lambda sender: DISCARD, outcome=outcome)
        self.asked(self.TWO, rcpt=lambda recipient: DISCARD, outcome=outcome)
        self.asked(self.TWO, rcpt=lambda it: DISCARD if it.local_part == "eve" else CONTINUE, outcome=outcome)
        self.assertEqual(results, [(421, "filter"), (250, "filter"), (250, "filter"), (250, None)])


class Host(unittest.TestCase):
    def test_the_message_is_read(self):
        Transaction(message=MIXED).run(Reader)
        self.assertEqual(Reader.seen["subject"], ["grün and folded"])
        self.assertEqual(Reader.seen["raw"][0], b" =?utf-8?Q?gr=C3=BCn?= and\r\n folded")
        self.assertEqual(Reader.seen["text"], "grün")
        self.assertEqual((Reader.seen["body"], Reader.seen["past"]), (b"Subject: ", b""))
        whole, text, pdf = Reader.seen["parts"]
        self.assertEqual(whole, (None, "multipart/mixed", None, False))
        self.assertEqual(text, (0, "text/plain", None, False))
        self.assertEqual(pdf, (0, "application/pdf", "a.pdf", True))

    def test_an_enclosed_message_has_all_its_octets(self):
        seen = []

        class Curious:
            def message(self):
                seen.extend((part.content_type, part.parent, parts.read(part.index, 0, part.size)) for part in parts.all())
                return CONTINUE

        Transaction(message=FORWARDED).run(Curious)
        enclosed = b"Subject: in\r\nX:1\r\nContent-Type: text/html\r\n\r\n<p>\xc3\xbc</p>"
        self.assertEqual(seen[1:3], [("message/rfc822", 0, enclosed), ("text/html", 1, b"<p>\xc3\xbc</p>")])
        self.assertEqual(seen[3:5], [("message/rfc822", 0, b"Subject: b\r\n\r\nc"), ("text/plain", 3, b"c")])
        self.assertEqual(seen[5:], [("message/delivery-status", 0, b"Action: failed\r\n")])

    def test_the_message_is_gone_at_the_outcome(self):
        seen = []
        request = http.Request("POST", "http://192.0.2.1/", [], http.Content_Message())

        class Onlooker:
            def outcome(self, transaction):
                seen.extend([headers.all(), headers.text("Subject"), body.size(), len(envelope.recipients())])
                for ask in (lambda: body.read(0, 9), parts.all, lambda: parts.text(0), lambda: http.fetch(request)):
                    try:
                        ask()
                    except Err as error:
                        seen.append(error.value)

        Transaction(http={"http://192.0.2.1": (200, b"")}).run(Onlooker)
        self.assertEqual(seen, [[], [], 0, 1] + [Error.NOT_NOW] * 4)

    def test_edits_show_from_the_next_stage_on(self):
        seen = []

        class Editor:
            def headers(self):
                edit_headers.add("X-New", "1")
                seen.append(headers.text("X-New"))
                return CONTINUE

            def message(self):
                seen.append(headers.text("X-New"))
                return CONTINUE

        Transaction().run(Editor)
        self.assertEqual(seen, [[], ["1"]])

    def test_names_and_values_that_no_field_can_have(self):
        class Editor:
            def headers(self):
                said = []
                for name, value in [("X Y", "v"), ("", "v"), ("X" * 77, "v"), ("X-Y", "a\r\nb"), ("Ü", "v")]:
                    try:
                        edit_headers.add(name, value)
                    except Err as error:
                        said.append(error.value)
                return reject(str(said == [Error.INVALID] * 5))

        self.assertEqual(Transaction().run(Editor).said, "reject True")

    def test_limits_of_a_call(self):
        class Many:
            def mail(self, sender):
                for _ in range(101):
                    score.add("A", 0.1, "")
                return CONTINUE

        with self.assertRaises(Err) as caught:
            Transaction().run(Many)
        self.assertEqual(caught.exception.value, Error.LIMIT)

    def test_nothing_is_known_in_configure(self):
        class Curious:
            def configure(self, config):
                self.seen = (session.client().address, session.listener(), session.hello(), headers.all())

            def mail(self, sender):
                return reject(str(self.seen))

        self.assertEqual(Transaction().run(Curious).said, "reject ('', '', None, [])")

    def test_without_a_transaction_there_is_no_host(self):
        with self.assertRaisesRegex(RuntimeError, "no transaction is played"):
            session.id()
