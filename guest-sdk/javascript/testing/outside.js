// What lies outside of a made-up transaction: names, state, servers, lists, metrics.

const METRIC = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const VERBS = ["GET", "POST", "PUT", "HEAD"];
const WHILE_SERVING = ["connect", "hello", "auth", "mail", "rcpt", "headers", "message", "outcome", "disconnect"];

/** Throws what the host answers, in the form that it has in a component. */
function refuse(name) {
  throw new Error(name);
}

/** The services that a test gives to a filter. */
export class Outside {
  requests = [];
  metrics = {};

  /**
   * @param {{ check: (permission: string, ...stages: string[]) => void }} host
   * @param {{ dns?: object, state?: Map<string, any>, http?: object, lists?: object }} given
   */
  constructor(host, { dns = {}, state = new Map(), http = {}, lists = {} }) {
    this.host = host;
    this.dns = dns;
    this.state = state;
    this.http = http;
    this.lists = lists;
  }

  #permitted(permission) {
    this.host.check(permission, ...WHILE_SERVING);
  }

  /** Records by name and kind, `{ "example.org": { mx: ["10 mx.example.org"] } }`; a word such as `failed` for a kind. */
  answer(name, kind) {
    this.#permitted("dns");
    const known = this.dns[name.replace(/\.$/, "").toLowerCase()];
    if (known === undefined) return { tag: "no-name" };
    const said = known[kind] ?? "no-data";
    return typeof said === "string" ? { tag: said } : { tag: "records", val: said };
  }

  remembered(key) {
    this.#permitted("state");
    if (key.length < 1 || Buffer.byteLength(key) > 512) refuse("invalid");
    return this.state.get(key);
  }

  remember(key, value, seconds) {
    this.remembered(key);
    if (seconds < 1 || seconds > 400 * 86_400) refuse("invalid");
    if (value === undefined || value === null) this.state.delete(key);
    else this.state.set(key, value);
  }

  increment(key, by, seconds) {
    const before = this.remembered(key) ?? 0;
    if (typeof before !== "number") refuse("invalid");
    this.remember(key, before + by, seconds);
    return before + by;
  }

  compareAndSet(key, expected, value, seconds) {
    const before = this.remembered(key);
    const same = before === undefined || expected == null ? before === undefined && expected == null : equal(before, expected);
    if (same) this.remember(key, value, seconds);
    return same;
  }

  /** Answers by origin, `{ "http://127.0.0.1:11334": { status: 200, content: "{}" } }`; null where nobody answers. */
  fetch(request) {
    this.#permitted("http");
    if (!VERBS.includes(request.verb) || !URL.canParse(request.url)) refuse("invalid");
    if (request.content.tag === "message") this.host.check("body", "message");
    const answer = this.http[new URL(request.url).origin];
    if (answer === undefined) refuse("not-granted");
    this.requests.push(request);
    if (answer === null) refuse("unavailable");
    return { status: answer.status, fields: answer.fields ?? [], content: Buffer.from(answer.content ?? "") };
  }

  /** Lines by list, `{ partners: ["example.org 5"] }`: the entry, a domain above it. */
  listed(name, entry) {
    this.#permitted("lists");
    const lines = this.lists[name] ?? refuse("invalid");
    const holds = (word) => entry.toLowerCase() === word || entry.toLowerCase().endsWith(`.${word}`);
    const held = lines.map((line) => line.split(/\s+(.*)/)).filter(([word]) => holds(word.toLowerCase()));
    const [longest] = held.sort(([a], [b]) => b.length - a.length);
    return longest && (longest[1] ?? "");
  }

  meter(name, change) {
    this.#permitted("metrics");
    const value = change(this.metrics[name] ?? 0);
    if (!METRIC.test(name) || Number.isNaN(value)) refuse("invalid");
    this.metrics[name] = value;
  }
}

function equal(before, expected) {
  return typeof before !== "number" && Buffer.compare(Buffer.from(before), Buffer.from(expected)) === 0;
}
