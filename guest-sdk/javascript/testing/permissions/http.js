import { current } from "../host.js";

export const fetch = (request) => current().outside.fetch(request);
