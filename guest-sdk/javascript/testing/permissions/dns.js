import { current } from "../host.js";

export const lookup = (name, kind) => current().outside.answer(name, kind);
export const lookupAll = (queries) => queries.map(({ name, kind }) => lookup(name, kind));
