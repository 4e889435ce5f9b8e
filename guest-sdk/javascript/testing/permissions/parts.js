import { CHUNK, current } from "../host.js";

export const all = () => current().parts().map(({ facts }) => facts);
export const read = (part, offset, length) =>
  current().part(part).octets.subarray(offset, offset + Math.min(length, CHUNK));
export const text = (part) => current().partText(part);
