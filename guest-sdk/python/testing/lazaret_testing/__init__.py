"""Plays transactions to a filter in plain Python, without WebAssembly and without a host.

    report = Transaction(sender="a@example.com", message="Precedence: bulk\\n\\nbuy\\n").run(NoBulk, {"words": ["bulk"]})
    assert report.said == "reject no bulk mail here, please"

It answers as the host does where a filter can notice: what is known at which stage, what is denied, which names and
values are refused, how much is too much. An exception of the filter, a failure in the host, goes to the test as it is.
"""

from .transaction import Report, Transaction

__all__ = ["Report", "Transaction"]
