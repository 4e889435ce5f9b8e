// The library, and the host that tests play with.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import * as body from "lazaret:filter/body@0.1.0";
import * as editHeaders from "lazaret:filter/edit-headers@0.1.0";
import * as envelope from "lazaret:filter/envelope@0.1.0";
import * as headers from "lazaret:filter/headers@0.1.0";
import * as http from "lazaret:filter/http@0.1.0";
import * as parts from "lazaret:filter/parts@0.1.0";
import * as score from "lazaret:filter/score@0.1.0";
import * as session from "lazaret:filter/session@0.1.0";

import {
  ACCEPT, CONTINUE, ConfigError, DISCARD, defer, disconnect, errorName, quarantine, reject, subscribe,
} from "../lib/lazaret.js";
import { play } from "../testing/index.js";

class Counter {
  most = 1;
  asked = 0;

  configure({ most = 1 }) {
    if (typeof most !== "number") throw new ConfigError("`most` must be a number");
    this.most = most;
  }

  mail() {
    return CONTINUE;
  }

  rcpt() {
    this.asked += 1;
    return this.asked <= this.most ? CONTINUE : reject("too many");
  }
}

test("verdicts", () => {
  assert.deepEqual(reject("no"), { tag: "reject", val: { code: undefined, enhanced: undefined, text: "no" } });
  assert.deepEqual(defer("later", { code: 450, enhanced: "4.7.1" }).val, { code: 450, enhanced: "4.7.1", text: "later" });
  assert.equal(disconnect("bye", { code: 421 }).val.code, 421);
  assert.deepEqual(quarantine("odd"), { tag: "quarantine", val: "odd" });
});

describe("exports", () => {
  test("stages that are there are exported and no others", () => {
    assert.deepEqual(Object.keys(subscribe(new Counter())), ["configure", "onMail", "onRcpt"]);
  });

  test("all stages share one object", () => {
    const { configure, onRcpt } = subscribe(new Counter());
    configure('{"most": 2}');
    const said = [1, 2, 3].map(() => onRcpt.rcpt(/** @type {any} */ ({})).tag);
    assert.deepEqual(said, ["continue", "continue", "reject"]);
  });

  test("a ConfigError is thrown as the text that the operator reads", () => {
    const { configure } = subscribe(new Counter());
    assert.throws(() => configure('{"most": "x"}'), (thrown) => thrown === "`most` must be a number");
  });

  test("any other error of configure is the filter's", () => {
    const broken = subscribe({ configure: () => { throw new TypeError("broken"); } });
    assert.throws(() => broken.configure("{}"), TypeError);
  });

  test("settings for a filter without any are an error", () => {
    const { configure } = subscribe({ mail: () => CONTINUE });
    configure("{}");
    assert.throws(() => configure('{"a": 1}'), (thrown) => typeof thrown === "string");
  });
});

test("what is no error of the contract is not taken for one", () => {
  assert.throws(() => errorName(new TypeError("x is not a function")), TypeError);
  assert.equal(errorName(new Error("not-now")), "not-now");
});

// As in tests/sessions/verdicts.
describe("a session", () => {
  const STAGES = ["connect", "hello", "mail", "rcpt", "headers", "message", "outcome", "disconnect"];
  const TWO = { recipients: ["eve@example.org", "bob@example.org"] };

  /** Every stage is there and says continue, if it is not told otherwise; gives those that were asked. */
  function asked(said, transaction = {}) {
    const stages = [];
    class Told {}
    for (const stage of STAGES) {
      Told.prototype[stage] = (...facts) => {
        stages.push(stage);
        return said[stage]?.(...facts) ?? CONTINUE;
      };
    }
    play(Told, {}, transaction);
    return stages.join(" ");
  }

  test("after an accept only observers are asked", () => {
    assert.equal(asked({ connect: () => ACCEPT }), "connect outcome disconnect");
    assert.equal(asked({ hello: () => ACCEPT }), "connect hello outcome disconnect");
    assert.equal(asked({ mail: () => ACCEPT }), "connect hello mail outcome disconnect");
    assert.equal(asked({ headers: () => ACCEPT }), "connect hello mail rcpt headers outcome disconnect");
  });

  test("accept at rcpt is for that recipient", () => {
    assert.equal(asked({ rcpt: () => ACCEPT }, TWO), `connect hello mail rcpt ${STAGES.slice(3).join(" ")}`);
  });

  test("a mark ends nothing", () => {
    for (const mark of [quarantine("odd"), DISCARD]) {
      for (const stage of STAGES.slice(0, 6)) assert.equal(asked({ [stage]: () => mark }), STAGES.join(" "), stage);
    }
  });

  test("a recipient in quarantine is one of the envelope", () => {
    let seen;
    const rcpt = ({ localPart }) => (localPart === "eve" ? quarantine("odd") : CONTINUE);
    asked({ rcpt, message: () => void (seen = envelope.recipients().map(({ mailbox }) => mailbox)) }, TWO);
    assert.deepEqual(seen, TWO.recipients);
  });

  test("the envelope ends with its transaction", () => {
    let seen;
    asked({ disconnect: () => void (seen = [envelope.sender(), envelope.recipients()]) });
    assert.deepEqual(seen, [null, []]);
  });

  test("disconnect at rcpt ends all of it", () => {
    assert.equal(asked({ rcpt: () => disconnect("go") }, TWO), "connect hello mail rcpt disconnect");
  });

  test("an outcome is that of an end of data", () => {
    assert.equal(asked({ mail: () => reject("no") }), "connect hello mail disconnect");
    assert.equal(asked({ rcpt: () => reject("no") }), "connect hello mail rcpt disconnect");
    const results = [];
    const outcome = ({ code, decidedBy }) => void results.push([code, decidedBy]);
    const eve = ({ localPart }) => (localPart === "eve" ? DISCARD : CONTINUE);
    asked({ headers: () => disconnect("go"), outcome });
    asked({ mail: () => DISCARD, outcome });
    asked({ rcpt: () => DISCARD, outcome }, TWO);
    asked({ rcpt: eve, outcome }, TWO);
    assert.deepEqual(results, [[421, "filter"], [250, "filter"], [250, "filter"], [250, null]]);
  });
});

describe("host", () => {
  const sent = /** @type {any} */ ({ verb: "POST", url: "http://192.0.2.1/", fields: [], content: { tag: "message" } });

  /** Plays one stage. */
  const at = (stage, answer, transaction = {}) => play(class { [stage] = answer; }, {}, transaction);

  test("the message is read", () => {
    const message = "Subject: =?utf-8?Q?gr=C3=BCn?= =?utf-8?B?w6Q=?= and\n folded\nno field\n\nbody\n";
    const report = at("message", () => {
      const [subject] = headers.text("subject");
      const names = headers.all().map(({ name }) => name);
      return reject(`${subject}|${names.join()}|${body.read(0, 7)}|${body.read(999, 1).length}|${body.size()}`);
    }, { message });
    assert.equal(report.said, "reject grünä and folded|Subject,|Subject|0|80");
  });

  test("the message is gone at the outcome", () => {
    const seen = [];
    play(class {
      outcome() {
        seen.push(headers.all(), headers.text("Subject"), body.size(), envelope.recipients().length);
        for (const ask of [() => body.read(0, 9), () => parts.all(), () => http.fetch(sent)]) {
          assert.throws(ask, /^Error: not-now$/);
        }
      }
    }, {}, { http: { "http://192.0.2.1": { status: 200 } } });
    assert.deepEqual(seen, [[], [], 0, 1]);
  });

  test("edits show from the next stage on", () => {
    const seen = [];
    play(class {
      headers() {
        editHeaders.add("X-New", "1");
        seen.push(headers.text("X-New").length);
        return CONTINUE;
      }
      message() {
        seen.push(headers.text("X-New").length);
        return CONTINUE;
      }
    });
    assert.deepEqual(seen, [0, 1]);
  });

  test("names and values that no field can have", () => {
    for (const [name, value] of [["X Y", "v"], ["", "v"], ["X".repeat(77), "v"], ["X-Y", "a\r\nb"], ["Ü", "v"]]) {
      assert.throws(() => at("headers", () => editHeaders.add(name, value)), /^Error: invalid$/);
    }
  });

  test("limits of a call", () => {
    const many = () => { for (let i = 0; i < 101; i += 1) score.add("A", 0.1, ""); };
    assert.throws(() => at("mail", many), /^Error: limit$/);
  });

  test("nothing is known in configure", () => {
    class Curious {
      configure() {
        this.seen = [session.client().address, session.listener(), session.hello(), headers.all().length];
      }
      mail() {
        return reject(JSON.stringify(this.seen));
      }
    }
    assert.equal(play(Curious).said, 'reject ["","",null,0]');
  });

  test("without a transaction there is no host", () => {
    assert.throws(() => session.id(), /no transaction is played/);
  });
});
