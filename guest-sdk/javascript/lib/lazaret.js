// What filters in JavaScript like to have: short names for verdicts, and one class for all stages.
//
// Everything else comes from the contract itself: `import * as headers from "lazaret:filter/headers@0.1.0"` and so on,
// one module for each permission that your world imports.

/** @typedef {import("./contract").Verdict} Verdict */
/** @typedef {{ code?: number, enhanced?: string }} Codes Reply code and enhanced status code (RFC 3463). */

/** No objection; the next filter is asked. @type {Verdict} */
export const CONTINUE = Object.freeze({ tag: "continue" });
/** No objection, and no later filter is asked. The operator must grant it. @type {Verdict} */
export const ACCEPT = Object.freeze({ tag: "accept" });
/** Tell the client 250, deliver to nobody. The operator must grant it. @type {Verdict} */
export const DISCARD = Object.freeze({ tag: "discard" });

/**
 * Refuse for good (5xx), with text for the sender: printable US-ASCII, at most ten lines and 400 octets together; else
 * the host's own words stand in place of all of it.
 * @param {string} text @param {Codes} [codes] @returns {Verdict}
 */
export function reject(text, codes = {}) {
  return { tag: "reject", val: reply(text, codes) };
}

/**
 * Refuse for now (4xx): an honest client tries again.
 * @param {string} text @param {Codes} [codes] @returns {Verdict}
 */
export function defer(text, codes = {}) {
  return { tag: "defer", val: reply(text, codes) };
}

/**
 * Reply and close the connection. The operator must grant it.
 * @param {string} text @param {Codes} [codes] @returns {Verdict}
 */
export function disconnect(text, codes = {}) {
  return { tag: "disconnect", val: reply(text, codes) };
}

/**
 * Tell the client 250 once the message is safe in the quarantine. The operator must grant it.
 * @param {string} reason @returns {Verdict}
 */
export function quarantine(reason) {
  return { tag: "quarantine", val: reason };
}

/** @param {string} text @param {Codes} codes @returns {import("./contract").Reply} */
function reply(text, { code, enhanced }) {
  return { code, enhanced, text };
}

/** Thrown in `configure`: an error of the operator's, who reads its message. Any other error is one of the filter's. */
export class ConfigError extends Error {}

/**
 * The name of the error that a function of the contract threw, e.g. `not-granted`. Throws on what is no such error.
 * @param {any} thrown @returns {import("./contract").ErrorName}
 */
export function errorName(thrown) {
  const name = thrown?.payload ?? thrown?.message;
  if (!ERRORS.includes(name)) throw thrown;
  return name;
}

const ERRORS = ["not-granted", "not-now", "limit", "unavailable", "invalid"];

/** The methods that `subscribe` looks for, and the export that the contract wants for each. */
const STAGES = {
  connect: "onConnect",
  hello: "onHello",
  auth: "onAuth",
  mail: "onMail",
  rcpt: "onRcpt",
  headers: "onHeaders",
  message: "onMessage",
  outcome: "onOutcome",
  disconnect: "onDisconnect",
};

/**
 * Makes exports of an object: each method named like a stage answers at that stage. `configure`, if there is one, gets
 * the `[config]` table as an object.
 *
 *     export const { configure, onRcpt, onMessage } = subscribe(new NoBulk());
 *
 * @param {import("./contract").Filter} filter
 * @returns {import("./contract").Exports}
 */
export function subscribe(filter) {
  /** @type {any} */
  const exports = { configure: (config) => configure(filter, JSON.parse(config)) };
  for (const [stage, name] of Object.entries(STAGES)) {
    if (filter[stage]) exports[name] = { [stage]: (...facts) => filter[stage](...facts) };
  }
  return exports;
}

/** The contract wants the text of an error, not the error. */
function configure(filter, settings) {
  try {
    if (filter.configure) filter.configure(settings);
    else if (Object.keys(settings).length > 0) throw new ConfigError("this filter has no settings: remove [config]");
  } catch (error) {
    throw error instanceof ConfigError ? error.message : error;
  }
}
