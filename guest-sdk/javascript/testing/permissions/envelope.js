import { current } from "../host.js";

export const sender = () => current().known(current().sender ?? null, null);
export const recipients = () => current().known([...current().recipients], []);
