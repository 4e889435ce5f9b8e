import { current } from "../host.js";

export const id = () => current().known("TEST", "");
export const listener = () => current().known(current().facts.listener, "");
export const client = () => current().known(current().facts.client, { address: "", port: 0, name: null });
export const hello = () => current().known(current().hello ?? null, null);
export const tls = () => current().known(current().facts.tls, null);
export const user = () => current().known(current().facts.user, null);
export const earlyTalker = () => current().known(current().facts.earlyTalker, false);
