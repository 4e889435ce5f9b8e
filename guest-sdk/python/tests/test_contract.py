"""The host that tests play with has the functions, records and enums of the contract, and no others."""

import dataclasses
import enum
import importlib
import inspect
import re
import unittest
from pathlib import Path

WIT = Path(__file__).parents[3] / "wit"


def contract() -> dict[str, str]:
    """The text of each interface, without comments."""
    text = re.sub(r"//.*", "", "\n".join(path.read_text() for path in sorted(WIT.glob("*.wit"))))
    # An interface ends on the line where it began, or with a brace at the start of one.
    found = re.finditer(r"^interface ([\w-]+) \{(?:([^\n]*)\} *$|(.*?)^\})", text, re.M | re.S)
    return {match[1]: match[2] or match[3] for match in found}


def snake(name: str) -> str:
    return name.removeprefix("%").replace("-", "_")


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def names(list_of: str) -> list[str]:
    """`a: string, b: list<u8>` names a and b; `a, b` of an enum as well."""
    return [snake(name) for name in re.findall(r"(?:^|,)\s*([\w%-]+)", re.sub(r"<[^>]*>+", "", list_of))]


def functions(body: str) -> dict[str, list[str]]:
    return {snake(m[1]): names(m[2]) for m in re.finditer(r"([\w-]+): func\(([^)]*)\)", body)}


def module(interface: str):
    kind = "exports" if interface.startswith("on-") else "imports"
    return importlib.import_module(f"wit_world.{kind}.{snake(interface)}")


class Contract(unittest.TestCase):
    def test_the_contract_was_read(self):
        self.assertEqual(len([name for name in contract() if name.startswith("on-")]), 9)
        self.assertEqual(functions(contract()["edit-headers"])["replace"], ["name", "nth", "value"])

    def test_permissions(self):
        for interface, body in contract().items():
            if interface == "types" or interface.startswith("on-"):
                continue
            with self.subTest(interface):
                played = inspect.getmembers(module(interface), inspect.isfunction)
                own = {
                    name: list(inspect.signature(function).parameters)
                    for name, function in played
                    if function.__module__ == module(interface).__name__
                }
                self.assertEqual(own, functions(body))

    def test_stages(self):
        exports = importlib.import_module("wit_world.exports")
        for interface, body in contract().items():
            if interface.startswith("on-"):
                with self.subTest(interface):
                    [(stage, parameters)] = functions(body).items()
                    method = getattr(getattr(exports, camel(interface)), stage)
                    self.assertEqual(list(inspect.signature(method).parameters), ["self", *parameters])

    def test_records_and_enums(self):
        for interface, body in contract().items():
            for kind, name, inside in re.findall(r"(record|enum) ([\w-]+) \{([^}]*)\}", body):
                with self.subTest(name):
                    played = getattr(module(interface), camel(name))
                    if kind == "enum":
                        self.assertTrue(issubclass(played, enum.Enum))
                        self.assertEqual([case.name.lower() for case in played], names(inside))
                    else:
                        self.assertEqual([field.name for field in dataclasses.fields(played)], names(inside))
