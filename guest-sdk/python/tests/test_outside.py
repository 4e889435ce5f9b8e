"""What tests give to a filter in place of the outside world."""

import unittest

from componentize_py_types import Err
from lazaret_testing import Transaction
from wit_world.imports import dns, http, lists, metrics, state
from wit_world.imports.types import Error, Verdict_Continue


def seen(ask, **given):
    """What a filter sees that runs `ask` at connect, and the report."""
    results = []

    class Asking:
        def connect(self):
            results.append(ask())
            return Verdict_Continue()

    report = Transaction(**given).run(Asking)
    return results[0], report


class Outside(unittest.TestCase):
    def test_names(self):
        given = {"example.org": {"mx": ["10 mx.example.org"], "txt": "failed"}}
        kinds = [dns.Kind.MX, dns.Kind.TXT, dns.Kind.A]
        answers, _ = seen(lambda: dns.lookup_all([dns.Query("Example.org.", kind) for kind in kinds]), dns=given)
        self.assertEqual(answers, [dns.Answer_Records(["10 mx.example.org"]), dns.Answer_Failed(), dns.Answer_NoData()])
        answer, _ = seen(lambda: dns.lookup("example.net", dns.Kind.A), dns=given)
        self.assertEqual(answer, dns.Answer_NoName())

    def test_state_lasts(self):
        kept = {}
        self.assertEqual(seen(lambda: state.increment("seen", 2, 60), state=kept)[0], 2)
        self.assertEqual(seen(lambda: state.increment("seen", 1, 60), state=kept)[0], 3)
        self.assertTrue(seen(lambda: state.compare_and_set("once", None, b"a", 60), state=kept)[0])
        self.assertFalse(seen(lambda: state.compare_and_set("once", None, b"b", 60), state=kept)[0])
        self.assertEqual(seen(lambda: (state.get("seen"), state.remove("once")), state=kept)[0], (b"3", True))

    def test_servers_lists_and_metrics(self):
        request = http.Request("GET", "http://127.0.0.1:11334/ping", [], http.Content_None())

        def ask():
            metrics.count("asked", 2)
            return http.fetch(request).status, lists.lookup("near", "a.example.org"), lists.contains("near", "b.example")

        given = {"http": {"http://127.0.0.1:11334": (200, b"{}")}, "lists": {"near": ["example.org 5"]}}
        result, report = seen(ask, **given)
        self.assertEqual(result, (200, "5", False))
        self.assertEqual((report.requests, report.metrics), ([request], {"asked": 2}))

    def test_what_is_denied_says_so(self):
        with self.assertRaises(Err) as refused:
            seen(lambda: dns.lookup("example.org", dns.Kind.A), deny=["dns"])
        self.assertEqual(refused.exception.value, Error.NOT_GRANTED)
