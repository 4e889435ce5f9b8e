import { current } from "../host.js";

export const contains = (name, entry) => current().outside.listed(name, entry) !== undefined;
export const lookup = (name, entry) => current().outside.listed(name, entry) ?? null;
