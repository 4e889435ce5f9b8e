import { current } from "../host.js";

export const write = (level, message) => void current().log.push(`${level} ${message}`);
