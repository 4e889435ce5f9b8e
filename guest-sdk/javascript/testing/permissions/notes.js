import { current } from "../host.js";

export const set = (scope, key, value) => current().setNote(scope, key, value);
export const get = (filter, key) => current().note(filter, key);
