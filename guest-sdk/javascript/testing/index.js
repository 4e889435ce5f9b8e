// Plays transactions to a filter in Node.js, without WebAssembly and without a host.
//
//     const report = play(NoBulk, { words: ["bulk"] }, { message: "Precedence: bulk\n\nbuy\n" });
//     assert.equal(report.said, "reject no bulk mail here, please");
//
// It answers as the host does where a filter can notice: what is known at which stage, what is denied, which names and
// values are refused, how much is too much. What the filter throws, a failure in the host, goes to the test as it is.

import { Host, play as answerBy } from "./host.js";
import { Message } from "./message.js";

/** Verdicts that refuse, each with its usual code. */
const CODES = { reject: 550, defer: 451, disconnect: 421 };
const CLIENT = { address: "192.0.2.1", port: 49152, name: null };

/**
 * What a client does; what is left out has a harmless value.
 * @typedef {object} Transaction
 * @property {string} [sender] empty for `<>`
 * @property {Record<string, string | null>} [parameters] of MAIL
 * @property {string[]} [recipients]
 * @property {string} [message] header section, empty line, body
 * @property {object[]} [parts] MIME parts, for nothing is parsed here: `{ text | octets, contentType, name, attachment,
 *   parent }`; one text/plain with the body if not said
 * @property {{ address: string, port?: number, name?: string }} [client]
 * @property {string} [listener]
 * @property {string} [hello]
 * @property {object} [tls]
 * @property {string} [user]
 * @property {boolean} [earlyTalker]
 * @property {string[]} [deny] permissions
 * @property {Record<string, object>} [dns] records by name and kind, `{ "example.org": { mx: ["10 mx.example.org"] } }`; a word
 *   such as `failed` in place of the records of a kind; a name that is not there does not exist
 * @property {Map<string, any>} [state] what the filter remembers; the same one may be given to several transactions
 * @property {Record<string, object | null>} [http] answers by origin, `{ status, content }`; null where nobody answers
 * @property {Record<string, string[]>} [lists] lines by list
 * @property {Record<string, Record<string, string>>} [notes] what other filters left, by filter and key
 */

/**
 * One session, from connection to disconnection, until a refusal ends it. What `configure` throws goes to the test.
 * @param {new () => import("../lib/contract").Filter} Filter
 * @param {object} [config] the `[config]` table
 * @param {Transaction} [transaction]
 * @param {string} [name] the filter's own, under which its notes and scores are kept
 */
export function play(Filter, config = {}, transaction = {}, name = "filter") {
  const facts = { listener: "mx", tls: null, user: null, earlyTalker: false, ...transaction };
  facts.client = { ...CLIENT, ...transaction.client };
  const host = new Host(facts, name, transaction.deny, notes(transaction.notes ?? {}), new Message(""));
  answerBy(host);
  try {
    return new Play(host, () => configured(Filter, config, host), transaction).report();
  } finally {
    answerBy(undefined);
  }
}

/** A sandbox: QuickJS cannot be snapshotted, so the host configures each of them. */
function configured(Filter, config, host) {
  const filter = new Filter();
  host.begin("configure");
  filter.configure?.(JSON.parse(JSON.stringify(config)));
  return filter;
}

function notes(others) {
  return Object.entries(others).flatMap(([filter, values]) =>
    Object.entries(values).map(([key, value]) => /** @type {[string, string]} */ ([`${filter} connection ${key}`, value])),
  );
}

/** A path of the envelope with its ESMTP parameters. */
function address(mailbox, parameters = {}) {
  const at = mailbox.lastIndexOf("@");
  return {
    mailbox,
    localPart: at < 0 ? mailbox : mailbox.slice(0, at),
    domain: at < 0 ? "" : mailbox.slice(at + 1),
    parameters: Object.entries(parameters).map(([keyword, value]) => ({ keyword, value })),
  };
}

/** A verdict as one line: `continue`, `reject 550 5.7.1 no bulk mail`, `quarantine reason`. */
function inWords({ tag, val }) {
  if (typeof val !== "object") return [tag, val].filter((word) => word !== undefined).join(" ");
  return [tag, val.code, val.enhanced, val.text].filter((word) => word != null).join(" ");
}

class Play {
  verdicts = [];
  /** at a stage other than rcpt, where it is for that recipient */
  accepted = false;

  constructor(host, fork, transaction) {
    this.host = host;
    this.fork = fork;
    this.transaction = transaction;
  }

  /** What the filter said and did. */
  report() {
    const { host, verdicts } = this;
    const refused = this.connection() ?? this.transact();
    this.ask(this.fork(), "disconnect", refused ? "refused" : "closed");
    return {
      /** Stage and verdict in words, in order. */
      verdicts: verdicts.map(([stage, verdict]) => `${stage}: ${inWords(verdict)}`),
      /** The last verdict in words. */
      said: verdicts.length > 0 ? inWords(verdicts.at(-1)[1]) : "continue",
      /** Mailboxes of the recipients that were not refused. */
      recipients: host.recipients.map(({ mailbox }) => mailbox),
      edits: host.edits,
      scores: host.scores,
      /** The filter's own notes by key. */
      notes: Object.fromEntries(own(host)),
      /** Milliseconds that replies were held back. */
      held: host.held,
      log: host.log,
      /** What was sent over HTTP, in order. */
      requests: host.outside.requests,
      /** Counters and gauges by name. */
      metrics: host.outside.metrics,
      /** The message after all edits. */
      message: host.message.octets.toString(),
    };
  }

  /** Until HELO has been answered. */
  connection() {
    const refused = this.ask(this.fork(), "connect");
    if (refused) return refused;
    this.host.hello = this.transaction.hello ?? "client.example.net";
    return this.ask(this.fork(), "hello", this.host.hello);
  }

  /** From MAIL to the end of data, all in one sandbox. Without an end of data there is no outcome to tell. */
  transact() {
    const { host, transaction } = this;
    const sandbox = this.fork();
    host.sender = address(transaction.sender ?? "sender@example.net", transaction.parameters);
    const early = this.ask(sandbox, "mail", host.sender) ?? this.envelope(sandbox);
    if (early || host.recipients.length === 0) return early;
    host.message = new Message(transaction.message ?? "Subject: test\n\ntest\n", transaction.parts);
    const refused = this.ask(sandbox, "headers") ?? this.ask(sandbox, "message");
    this.ask(sandbox, "outcome", this.result(refused));
    return refused;
  }

  /** Each recipient by itself: a refusal is for it alone, but `disconnect` for all. A marked one is not refused. */
  envelope(sandbox) {
    const recipients = this.transaction.recipients ?? ["recipient@example.org"];
    for (const recipient of recipients.map((mailbox) => address(mailbox))) {
      const refused = this.ask(sandbox, "rcpt", recipient);
      if (refused?.tag === "disconnect") return refused;
      if (!refused) this.host.recipients.push(recipient);
    }
    return undefined;
  }

  /** A refusal, or undefined: marks (quarantine, discard) end nothing. After an accept only observers are asked. */
  ask(sandbox, stage, ...facts) {
    const observes = stage === "outcome" || stage === "disconnect";
    if (!sandbox[stage] || (this.accepted && !observes)) return undefined;
    this.host.begin(stage);
    const verdict = sandbox[stage](...facts);
    this.host.end();
    if (observes) return undefined;
    this.verdicts.push([stage, verdict]);
    this.accepted ||= verdict.tag === "accept" && stage !== "rcpt";
    return verdict.tag in CODES ? verdict : undefined;
  }

  /** What the client was told at the end of data, and who decided it. */
  result(refused) {
    const { filter, recipients } = this.host;
    if (refused) {
      const { tag, val } = refused;
      return { code: val.code ?? CODES[tag], text: val.text, decidedBy: filter, queueId: null };
    }
    const marks = this.verdicts.filter(([, { tag }]) => tag === "quarantine" || tag === "discard");
    const kept = marks.some(([stage]) => stage !== "rcpt") || marks.length === recipients.length;
    return { code: 250, text: "OK", decidedBy: kept ? filter : null, queueId: kept ? null : "TEST" };
  }
}

function own({ notes, filter }) {
  return [...notes].flatMap(([place, value]) => {
    const [by, , key] = place.split(" ");
    return by === filter ? [[key, value]] : [];
  });
}
