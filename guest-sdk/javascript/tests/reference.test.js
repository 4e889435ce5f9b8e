// The reference filter in Node.js.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ConfigError } from "../lib/lazaret.js";
import { Reference } from "../reference/reference.js";
import { play } from "../testing/index.js";

const SETTINGS = { domains: ["bulk.example.com"], points: 2.5 };

/** A message with these fields, by a client of whom these facts are known. */
function run(fields = [], facts = {}) {
  const message = `${fields.map((field) => `${field}\n`).join("")}\nbody\n`;
  return play(Reference, SETTINGS, { message, ...facts }, "reference");
}

describe("settings", () => {
  const mistakes = [
    [{ domains: ["example.com"], colour: "red" }, "colour"],
    [{}, "domains"],
    [{ domains: "example.com" }, "domains"],
    [{ domains: [1] }, "domains"],
    [{ domains: [] }, "domains"],
    [{ domains: ["example.com"], points: "many" }, "points"],
  ];
  for (const [config, key] of mistakes) {
    test(`${JSON.stringify(config)} is refused by name`, () => {
      assert.throws(
        () => play(Reference, config),
        (error) => error instanceof ConfigError && error.message.includes(`\`${key}\``),
      );
    });
  }

  test("points are one if not said", () => {
    const report = play(Reference, { domains: ["bulk.example.com"] }, { sender: "a@Bulk.example.com" });
    assert.deepEqual(report.scores.map(({ symbol, points }) => [symbol, points]), [["LISTED", 1]]);
  });
});

describe("stages", () => {
  test("commands are obeyed at each stage", () => {
    assert.deepEqual(run([], { listener: "try-defer" }).verdicts, ["connect: defer told to defer"]);
    assert.equal(run([], { hello: "try-reject.example.com" }).said, "reject told to reject");
    assert.equal(run([], { sender: "try-coded@example.com" }).said, "reject 554 5.7.26 told to use codes");
    assert.ok(run(["X-Try: headers quarantine"]).verdicts.includes("headers: quarantine told to quarantine"));
    assert.equal(run(["X-Try: message discard"]).said, "discard");
    assert.equal(run(["X-Try: message unheard"]).said, "reject unknown command unheard");
  });

  test("a refused recipient ends nothing", () => {
    const report = run([], { recipients: ["try-reject@example.org", "bob@example.org"] });
    assert.deepEqual(report.recipients, ["bob@example.org"]);
    assert.equal(report.verdicts.at(-1), "message: continue");
  });

  test("a trap is an exception", () => {
    assert.throws(() => run(["X-Try: message trap"]), /told to trap/);
  });

  test("calls are counted in their sandbox", () => {
    assert.match(run([], { hello: "try-facts" }).said, /calls=1$/);
    assert.match(run(["X-Try: message facts"]).said, /calls=4$/);
  });
});

describe("permissions", () => {
  test("facts", () => {
    const facts = { client: { address: "192.0.2.7", name: "mail.example.net" }, parameters: { SIZE: "9", BODY: null } };
    const { said } = run(["X-Try: message facts"], facts);
    assert.match(said, /client=192\.0\.2\.7 name=mail\.example\.net hello=client\.example\.net tls=none user=none/);
    assert.match(said, /sender=sender@example\.net;SIZE=9;BODY recipients=recipient@example\.org fields=1 raw=14/);
  });

  test("errors at stages", () => {
    const atMail = "edit=not-now body=not-now part=not-now score=invalid note=ok hold=ok";
    assert.equal(run([], { sender: "try-errors@example.com" }).said, `reject configure=not-now ${atMail}`);
    const atMessage = "edit=invalid body=ok part=invalid score=invalid note=ok hold=ok";
    assert.equal(run(["X-Try: message errors"]).said, `reject configure=not-now ${atMessage}`);
  });

  test("denied", () => {
    const deny = ["body", "parts", "edit-headers", "score", "notes", "pace"];
    const words = ["configure", "edit", "body", "part", "score", "note", "hold"].map((word) => `${word}=not-granted`);
    assert.equal(run(["X-Try: message errors"], { deny }).said, `reject ${words.join(" ")}`);
  });

  test("notes end", () => {
    assert.equal(run([], { sender: "try-limit@example.com" }).said, "reject 32 notes, then limit");
  });

  test("random is new each time", () => {
    const said = new Set(Array.from({ length: 8 }, () => run(["X-Try: message random"]).said));
    assert.equal(said.size, 8);
  });

  test("replies are held", () => {
    assert.equal(run(["X-Try: message hold"]).held, 300);
  });
});

describe("edits", () => {
  test("of every kind", () => {
    const fields = ["Subject: one", "X-Remove: a", "X-Remove: b", "X-Remove-Second: a", "X-Remove-Second: b"];
    const { message } = run([...fields, "X-Try: message edits"]);
    assert.deepEqual(message.split("\r\n\r\n")[0].split("\r\n"), [
      "X-Removed: 2",
      "X-Reference: added at message",
      "Subject: [message] one",
      "X-Remove-Second: a",
      "X-Try: message edits",
    ]);
  });

  test("nothing to replace", () => {
    assert.ok(run(["X-Try: headers edits"]).edits.includes("add X-Reference-Replace: invalid"));
  });

  test("report", () => {
    const parts = [
      { contentType: "multipart/mixed" },
      { text: "grün\r\nzwei" },
      { contentType: "application/octet-stream", name: "a.bin", attachment: true, octets: Buffer.from([0, 1, 2]) },
    ];
    const { edits } = run(["Subject: r", "X-Try: message report"], { sender: "a@bulk.example.com", parts });
    assert.ok(edits.includes("add X-Reference-Body: 43 octets, 4 lines"));
    assert.ok(edits.includes("add X-Reference-Text: grün"));
    assert.ok(edits.includes("add X-Reference-Score: 2.5 reference:LISTED:2.5 (bulk.example.com is listed)"));
    assert.ok(edits.includes("add X-Reference-Note: 192.0.2.1"));
    const list = edits.find((edit) => edit.startsWith("add X-Reference-Parts: "));
    assert.match(list, / 2:0:application\/octet-stream:a\.bin:attachment:3:ae4b3280$/);
  });
});
