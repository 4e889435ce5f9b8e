// The reference filter in JavaScript: everything the contract has, once. Its specification is
// guest-sdk/reference/README.md.

import * as body from "lazaret:filter/body@0.1.0";
import * as editHeaders from "lazaret:filter/edit-headers@0.1.0";
import * as entropy from "lazaret:filter/entropy@0.1.0";
import * as envelope from "lazaret:filter/envelope@0.1.0";
import * as headers from "lazaret:filter/headers@0.1.0";
import * as log from "lazaret:filter/log@0.1.0";
import * as notes from "lazaret:filter/notes@0.1.0";
import * as pace from "lazaret:filter/pace@0.1.0";
import * as parts from "lazaret:filter/parts@0.1.0";
import * as score from "lazaret:filter/score@0.1.0";
import * as session from "lazaret:filter/session@0.1.0";

import { ACCEPT, CONTINUE, DISCARD, defer, disconnect, errorName, quarantine, reject, subscribe } from "../lib/lazaret.js";
import { parse } from "./settings.js";

/** Octets that `body.read` gives at once. */
const CHUNK = 65536;
const LF = 10;

/** Commands that do nothing but end the stage. */
const VERDICTS = new Map([
  ["continue", CONTINUE],
  ["accept", ACCEPT],
  ["discard", DISCARD],
  ["reject", reject("told to reject")],
  ["defer", defer("told to defer")],
  ["disconnect", disconnect("told to disconnect")],
  ["quarantine", quarantine("told to quarantine")],
  ["coded", reject("told to use codes", { code: 554, enhanced: "5.7.26" })],
]);

/** All stages of a transaction share one of these; each call at the connection has its own. */
export class Reference {
  /** @type {ReturnType<typeof parse>} */
  settings = { domains: new Set(), points: 1 };
  earlyAnswer = "";
  calls = 0;

  configure(config) {
    this.settings = parse(config);
    log.write("info", `configured: ${this.settings.domains.size} domains`);
    this.earlyAnswer = answer(() => notes.get("reference", "client"));
  }

  connect() {
    this.calls += 1;
    answer(() => notes.set("connection", "client", session.client().address));
    return this.obey("connect", commandIn(session.listener()));
  }

  hello(name) {
    this.calls += 1;
    return this.obey("hello", commandIn(name));
  }

  auth(_mechanism, name) {
    this.calls += 1;
    return this.obey("auth", commandIn(name ?? ""));
  }

  mail(sender) {
    this.calls += 1;
    const domain = sender.domain.toLowerCase();
    if (this.settings.domains.has(domain)) {
      const said = answer(() => score.add("LISTED", this.settings.points, `${domain} is listed`));
      if (said !== "ok") log.write("warn", `score: ${said}`);
    }
    return this.obey("mail", commandIn(sender.localPart));
  }

  rcpt(recipient) {
    this.calls += 1;
    return this.obey("rcpt", commandIn(recipient.localPart));
  }

  headers() {
    this.calls += 1;
    return this.obeyFields("headers");
  }

  message() {
    this.calls += 1;
    return this.obeyFields("message");
  }

  outcome({ code, decidedBy, queueId }) {
    this.calls += 1;
    log.write("info", `outcome ${code} by=${decidedBy ?? "none"} queue=${queueId ?? "none"}`);
  }

  disconnect(reason) {
    this.calls += 1;
    log.write("info", `disconnect ${reason}`);
  }

  /** The commands for this stage in the fields X-Try, until one has a verdict. */
  obeyFields(stage) {
    for (const field of headers.text("X-Try")) {
      const [target, command] = field.split(" ", 2);
      const verdict = target === stage ? this.obey(stage, command) : CONTINUE;
      if (verdict.tag !== "continue") return verdict;
    }
    return CONTINUE;
  }

  /** Does what a command says; nothing without one. */
  obey(stage, command) {
    if (command === undefined) return CONTINUE;
    log.write("info", `${stage}: ${command}`);
    switch (command) {
      case "trap":
        throw new Error("told to trap");
      case "hold":
        answer(() => pace.hold(300));
        return CONTINUE;
      case "random":
        return reject(hex(entropy.random(8)));
      case "facts":
        return reject(this.facts());
      case "errors":
        return reject(this.errors());
      case "limit":
        return reject(fillNotes());
      case "edits":
        edit(stage);
        return CONTINUE;
      case "report":
        this.report();
        return CONTINUE;
      default:
        return VERDICTS.get(command) ?? reject(`unknown command ${command}`);
    }
  }

  /** What the permissions say that cannot refuse. */
  facts() {
    const client = session.client();
    const fields = headers.all();
    const recipients = envelope.recipients().map((recipient) => recipient.mailbox);
    return [
      `listener=${session.listener()} client=${client.address} name=${client.name ?? "none"}`,
      `hello=${session.hello() ?? "none"} tls=${tls()} user=${session.user() ?? "none"}`,
      `early=${session.earlyTalker()} sender=${sender()} recipients=${recipients.join() || "none"}`,
      `fields=${fields.length} raw=${fields.reduce((sum, field) => sum + field.value.length, 0)}`,
      `size=${body.size()} calls=${this.calls}`,
    ].join(" ");
  }

  /** Calls of which some must fail at each stage. */
  errors() {
    return [
      `configure=${this.earlyAnswer}`,
      `edit=${answer(() => editHeaders.add("X Bad", "value"))}`,
      `body=${answer(() => body.read(0, 1))}`,
      `part=${answer(() => parts.text(9999))}`,
      `score=${answer(() => score.add("", 1, ""))}`,
      `note=${answer(() => notes.set("transaction", "key", "value"))}`,
      `hold=${answer(() => pace.hold(0))}`,
    ].join(" ");
  }

  /** Fields that tell what the filter sees of the message. */
  report() {
    add("X-Reference-Facts", this.facts());
    add("X-Reference-Body", valueOf(bodyLines));
    add("X-Reference-Parts", valueOf(partList));
    add("X-Reference-Text", valueOf(firstText));
    add("X-Reference-Score", valueOf(scoreList));
    add("X-Reference-Note", valueOf(() => notes.get("reference", "client") ?? "none"));
  }
}

/** The command of a name or local part: `try-reject.example.com` holds `reject`. */
function commandIn(name) {
  return name.startsWith("try-") ? name.slice("try-".length).split(".", 1)[0] : undefined;
}

/** `ok` for a call that the host carried out, else the name of the error. */
function answer(call) {
  return valueOf(() => {
    call();
    return "ok";
  });
}

/** What a call gives, in words, or the name of the error. */
function valueOf(call) {
  try {
    return String(call());
  } catch (thrown) {
    return errorName(thrown);
  }
}

/** Adds a field, whatever the host says to it. */
function add(name, value) {
  answer(() => editHeaders.add(name, value));
}

/** Version, server name and subject of the client's certificate. */
function tls() {
  const info = session.tls();
  if (!info) return "none";
  return `${info.version}/${info.serverName ?? "none"}/${info.clientCertificate?.subject ?? "none"}`;
}

/** The sender with its ESMTP parameters. */
function sender() {
  const address = envelope.sender();
  if (!address) return "none";
  const words = address.parameters.map(({ keyword, value }) => (value == null ? keyword : `${keyword}=${value}`));
  return [address.mailbox, ...words].join(";");
}

/** Notes until the host takes no more of them in this call. */
function fillNotes() {
  for (let count = 0; ; count += 1) {
    const said = answer(() => notes.set("connection", "again", "x"));
    if (said !== "ok") return `${count} notes, then ${said}`;
  }
}

/** Every kind of edit. */
function edit(stage) {
  add("X-Reference", `added at ${stage}`);
  const subject = [`[${stage}]`, ...headers.text("Subject").slice(0, 1)].join(" ");
  const replaced = answer(() => editHeaders.replace("Subject", 0, subject));
  if (replaced !== "ok") add("X-Reference-Replace", replaced);
  add("X-Removed", valueOf(() => editHeaders.remove("X-Remove", undefined)));
  answer(() => editHeaders.remove("X-Remove-Second", 1));
}

/** Octets and lines of the message, read in pieces. */
function bodyLines() {
  let octets = 0;
  let lines = 0;
  for (let piece = body.read(0, CHUNK); piece.length > 0; piece = body.read(octets, CHUNK)) {
    octets += piece.length;
    for (let at = piece.indexOf(LF); at >= 0; at = piece.indexOf(LF, at + 1)) lines += 1;
  }
  return `${octets} octets, ${lines} lines`;
}

/** The MIME tree, a word for each part. */
function partList() {
  return parts
    .all()
    .map((part) => {
      const kind = part.attachment ? "attachment" : "inline";
      const place = `${part.index}:${part.parent ?? "none"}:${part.contentType}:${part.name ?? "none"}`;
      return `${place}:${kind}:${part.size}:${part.sha256.slice(0, 8)}`;
    })
    .join(" ");
}

/** The first line of the first text part. */
function firstText() {
  const part = parts.all().find(({ contentType }) => contentType.startsWith("text/"));
  return part ? parts.text(part.index).split(/[\r\n]/, 1)[0] : "none";
}

/** The total, and who gave what and why. */
function scoreList() {
  const words = score.all().map(({ filter, symbol, points, why }) => `${filter}:${symbol}:${points.toFixed(1)} (${why})`);
  return [score.total().toFixed(1), ...words].join(" ");
}

/** Octets as hex digits. */
function hex(octets) {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

export const {
  configure,
  onConnect,
  onHello,
  onAuth,
  onMail,
  onRcpt,
  onHeaders,
  onMessage,
  onOutcome,
  onDisconnect,
} = subscribe(new Reference());
