// The host that tests play with, and the types, have the functions of the contract and no others.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const WIT = new URL("../../../wit/", import.meta.url);
const TYPES = readFileSync(new URL("../lib/permissions.d.ts", import.meta.url), "utf8");

/** The text of each interface, without comments. */
function contract() {
  const files = readdirSync(WIT).filter((name) => name.endsWith(".wit"));
  const text = files.map((name) => readFileSync(new URL(name, WIT), "utf8")).join("\n").replace(/\/\/.*/g, "");
  // An interface ends on the line where it began, or with a brace at the start of one.
  const found = text.matchAll(/^interface ([\w-]+) \{(?:([^\n]*)\} *$|(.*?)^\})/gms);
  return [...found].map(([, name, line, lines]) => ({ name, body: line ?? lines }));
}

const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

/** Functions with the number of their parameters. */
function functions(body) {
  const found = [...body.matchAll(/([\w-]+): func\(([^)]*)\)/g)];
  return Object.fromEntries(found.map(([, name, given]) => [camel(name), given.split(":").length - 1]).sort());
}

const permissions = contract().filter(({ name }) => name !== "types" && !name.startsWith("on-"));

test("the contract was read", () => {
  assert.equal(permissions.length, 16);
});

for (const { name, body } of permissions) {
  test(`${name} is played`, async () => {
    const played = await import(`lazaret:filter/${name}@0.1.0`);
    const own = Object.entries(played).map(([key, value]) => [key, value.length]);
    assert.deepEqual(Object.fromEntries(own.sort()), functions(body));
  });

  test(`${name} has types`, () => {
    const [, module] = new RegExp(`declare module "lazaret:filter/${name}@0.1.0" \\{(.*?)^\\}`, "ms").exec(TYPES) ?? [];
    const typed = [...(module ?? "").matchAll(/export function (\w+)\(([^)]*)\)/g)];
    const own = typed.map(([, key, given]) => [key, given.split(":").length - 1]);
    assert.deepEqual(Object.fromEntries(own.sort()), functions(body));
  });
}
