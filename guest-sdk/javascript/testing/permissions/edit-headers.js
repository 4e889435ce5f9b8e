import { current } from "../host.js";

export const add = (name, value) => current().addField(name, value);
export const replace = (name, nth, value) => current().replaceField(name, nth, value);
export const remove = (name, nth) => current().removeField(name, nth ?? undefined);
