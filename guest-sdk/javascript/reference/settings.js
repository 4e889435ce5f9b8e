// The settings of the reference filter.

import { ConfigError } from "../lib/lazaret.js";

/**
 * The `[config]` table, checked: whose mail costs how much.
 * @param {Record<string, any>} config
 */
export function parse(config) {
  for (const key of Object.keys(config)) {
    check(key === "domains" || key === "points", `unknown key \`${key}\`: there are \`domains\` and \`points\``);
  }
  const { domains, points = 1 } = config;
  check(domains !== undefined, "`domains` is missing: list the domains to score");
  check(isTexts(domains), "`domains` must be a list of texts");
  check(domains.length > 0, "`domains` is empty: name at least one");
  check(typeof points === "number", "`points` must be a number");
  return { domains: new Set(domains), points };
}

function isTexts(value) {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

function check(good, otherwise) {
  if (!good) throw new ConfigError(otherwise);
}
