import { CHUNK, current } from "../host.js";

export function size() {
  const host = current();
  return host.at("message") && !host.denied.has("body") ? host.message.octets.length : 0;
}

export function read(offset, length) {
  current().check("body", "message");
  return current().message.octets.subarray(offset, offset + Math.min(length, CHUNK));
}
