import { current } from "../host.js";

export const add = (symbol, points, why) => current().addScore(symbol, points, why);
export const all = () => [...current().allScores()];
export const total = () => all().reduce((sum, { points }) => sum + points, 0);
