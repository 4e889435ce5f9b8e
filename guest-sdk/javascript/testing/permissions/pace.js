import { current } from "../host.js";

export const hold = (milliseconds) => current().hold(milliseconds);
