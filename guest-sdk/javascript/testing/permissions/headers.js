import { current } from "../host.js";

const fields = () => (current().at("headers", "message") ? current().message.fields : []);

export const all = () => fields().map(([name, value]) => ({ name, value: Buffer.from(value) }));
export const text = (name) => (fields().length > 0 ? current().message.text(name) : []);
