import { current } from "../host.js";

export const count = (name, by) => current().outside.meter(name, (value) => value + by);
export const gauge = (name, value) => current().outside.meter(name, () => value);
