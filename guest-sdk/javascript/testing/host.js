// The host that answers the filter's calls during a test.

import { randomBytes } from "node:crypto";

import { Outside } from "./outside.js";

/** Octets that one read gives at most. */
export const CHUNK = 65536;
/** What one call may do; of `pace` milliseconds in all. */
const MOST = { edits: 256, scores: 100, notes: 32, hold: 30_000 };
const FIELD_NAME = /^[!-9;-~]{1,76}$/;
const SYMBOL = /^[A-Za-z0-9_.-]{1,64}$/;
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f]/;
const WITH_VERDICT = ["connect", "hello", "auth", "mail", "rcpt", "headers", "message"];
const AFTER_CONFIGURE = [...WITH_VERDICT, "outcome", "disconnect"];

/** @type {Host | undefined} */
let playing;

/** The host that answers from now on. @param {Host | undefined} host */
export function play(host) {
  playing = host;
}

/** The host of the transaction under way. @returns {Host} */
export function current() {
  if (!playing) throw new Error("no transaction is played: call the filter by `play` of lazaret's testing");
  return playing;
}

/** Throws what the host answers, in the form that it has in a component. */
function refuse(name) {
  throw new Error(name);
}

/** One session with one transaction, and what the filter did in it. */
export class Host {
  stage = "configure";
  hello;
  sender;
  recipients = [];
  message;
  edits = [];
  scores = [];
  held = 0;
  log = [];
  #counts = {};
  #pending;

  constructor(facts, filter, denied, notes, message) {
    this.facts = facts;
    this.filter = filter;
    this.denied = new Set(denied);
    this.notes = new Map(notes);
    this.message = message;
    this.outside = new Outside(this, facts);
  }

  /** The next call of the filter. */
  begin(stage) {
    this.stage = stage;
    this.#counts = {};
    this.#pending = undefined;
  }

  /** The call has returned: its edits show from the next one on. */
  end() {
    this.message = this.#pending ?? this.message;
  }

  /** Whether the call under way is of one of these stages. */
  at(...stages) {
    return stages.includes(this.stage);
  }

  /** A fact of the session, of which `configure` knows nothing. */
  known(value, otherwise) {
    return this.at("configure") ? otherwise : value;
  }

  /** Throws what the host answers to a call that is denied, or made at the wrong time. */
  check(permission, ...stages) {
    if (this.denied.has(permission)) refuse("not-granted");
    if (!this.at(...stages)) refuse("not-now");
  }

  /** One more of something of which a call may do only so many. */
  #count(what) {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
    if (this.#counts[what] > MOST[what]) refuse("limit");
  }

  /** The message that the edits of this call are made to, if there may be one more with these words. */
  #edited(name, value = "") {
    this.check("edit-headers", "headers", "message");
    if (!FIELD_NAME.test(name) || CONTROLS.test(value)) refuse("invalid");
    this.#count("edits");
    this.#pending ??= this.message.copy();
    return this.#pending;
  }

  addField(name, value) {
    this.#edited(name, value).fields.unshift([name, ` ${value}`]);
    this.edits.push(`add ${name}: ${value}`);
  }

  replaceField(name, nth, value) {
    const message = this.#edited(name, value);
    const place = message.places(name)[nth];
    if (place === undefined) refuse("invalid");
    message.fields[place] = [name, ` ${value}`];
    this.edits.push(`replace ${name}[${nth}]: ${value}`);
  }

  removeField(name, nth) {
    const message = this.#edited(name);
    const places = message.places(name);
    const chosen = nth === undefined ? places : places.slice(nth, nth + 1);
    message.fields = message.fields.filter((_, place) => !chosen.includes(place));
    this.edits.push(nth === undefined ? `remove ${name}` : `remove ${name}[${nth}]`);
    return chosen.length;
  }

  addScore(symbol, points, why) {
    this.check("score", "mail", "rcpt", "headers", "message");
    const wordsFit = SYMBOL.test(symbol) && Buffer.byteLength(why) <= 200 && !CONTROLS.test(why);
    if (!wordsFit || !Number.isFinite(points)) refuse("invalid");
    this.#count("scores");
    this.scores.push({ filter: this.filter, symbol, points, why });
  }

  allScores() {
    this.check("score", ...AFTER_CONFIGURE);
    return this.scores;
  }

  setNote(scope, key, value) {
    this.check("notes", ...WITH_VERDICT);
    if (scope === "transaction" && this.at("connect", "hello", "auth")) refuse("not-now");
    if (!SYMBOL.test(key) || Buffer.byteLength(value) > 1024) refuse("invalid");
    this.#count("notes");
    this.notes.set(`${this.filter} ${scope} ${key}`, value);
  }

  note(filter, key) {
    this.check("notes", ...AFTER_CONFIGURE);
    return this.notes.get(`${filter} transaction ${key}`) ?? this.notes.get(`${filter} connection ${key}`) ?? null;
  }

  hold(milliseconds) {
    this.check("pace", ...WITH_VERDICT);
    this.held = Math.min(this.held + milliseconds, MOST.hold);
  }

  /** The parts that the test gave; throws where there are none to see. */
  parts() {
    this.check("parts", "message");
    return this.message.parts;
  }

  part(index) {
    return this.parts()[index] ?? refuse("invalid");
  }

  partText(index) {
    const { facts, octets } = this.part(index);
    if (!facts.contentType.startsWith("text/")) refuse("invalid");
    return octets.toString("utf8");
  }

  random(length) {
    return new Uint8Array(randomBytes(Math.min(length, 4096)));
  }
}
