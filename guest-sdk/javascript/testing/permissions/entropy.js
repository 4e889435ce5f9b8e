import { current } from "../host.js";

export const random = (length) => current().random(length);
