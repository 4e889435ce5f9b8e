import { current } from "../host.js";

export const sender = () => (current().at("configure", "disconnect") ? null : current().sender ?? null);
export const recipients = () => (current().at("configure", "disconnect") ? [] : [...current().recipients]);
