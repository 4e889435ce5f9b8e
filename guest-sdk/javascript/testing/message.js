// The message of a test: fields, octets, parts.

import { createHash } from "node:crypto";

const FIELD = /^([!-9;-~]+)[ \t]*:([^]*)$/;
const WORD = /=\?([^?]+)\?([BbQq])\?([^?]*)\?=(?:[ \t]+(?==\?))?/g;

/** A message; a lone LF in a test's text counts as a line end. */
export class Message {
  /** @param {string} text @param {object[]} [parts] */
  constructor(text, parts) {
    const lines = text.replace(/\r?\n/g, "\r\n");
    const end = lines.startsWith("\r\n") ? 0 : lines.indexOf("\r\n\r\n");
    const head = end < 0 ? lines.replace(/\r\n$/, "") : lines.slice(0, end);
    this.body = end < 0 ? "" : lines.slice(end === 0 ? 2 : end + 4);
    this.fields = head === "" ? [] : head.split(/\r\n(?![ \t])/).map(field);
    this.parts = (parts ?? [{ text: this.body }]).map(leaf);
  }

  /** The same message, to be edited. */
  copy() {
    return Object.assign(new Message(""), { fields: [...this.fields], body: this.body, parts: this.parts });
  }

  /** Header section, empty line, body. */
  get octets() {
    const head = this.fields.map(([name, value]) => `${name}${name && ":"}${value}\r\n`).join("");
    return Buffer.from(`${head}\r\n${this.body}`);
  }

  /** Where the fields of a name are, in any case of letters. */
  places(name) {
    const wanted = name.toLowerCase();
    return this.fields.flatMap(([known], place) => (known.toLowerCase() === wanted ? [place] : []));
  }

  /** Values of the fields of a name, unfolded and decoded. */
  text(name) {
    return this.places(name).map((place) => decoded(this.fields[place][1].replaceAll("\r\n", "").trim()));
  }
}

function field(line) {
  const match = FIELD.exec(line);
  return match ? [match[1], match[2]] : ["", line];
}

/** RFC 2047. */
function decoded(text) {
  return text.replace(WORD, (_, charset, encoding, word) => {
    const octets = encoding.toUpperCase() === "B" ? Buffer.from(word, "base64") : quoted(word);
    return new TextDecoder(charset).decode(octets);
  });
}

function quoted(word) {
  const plain = word.replaceAll("_", " ");
  return Buffer.from(plain.replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))), "latin1");
}

/** A part as the test describes it. */
function leaf({ text = "", octets = Buffer.from(text), ...facts }, index) {
  const sha256 = createHash("sha256").update(octets).digest("hex");
  const usual = { index, parent: index === 0 ? null : 0, contentType: "text/plain", name: null, attachment: false };
  return { facts: { ...usual, size: octets.length, sha256, ...facts }, octets };
}
