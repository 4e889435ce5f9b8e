import { current } from "../host.js";

export const get = (key) => octets(current().outside.remembered(key));
export const set = (key, value, seconds) => current().outside.remember(key, value, seconds);
export const increment = (key, by, seconds) => current().outside.increment(key, by, seconds);
export const compareAndSet = (key, expected, value, seconds) =>
  current().outside.compareAndSet(key, expected, value, seconds);
export function remove(key) {
  const there = current().outside.remembered(key) !== undefined;
  current().outside.remember(key, undefined, 1);
  return there;
}

const octets = (value) => (value === undefined ? null : Buffer.from(typeof value === "number" ? `${value}` : value));
