// For `node --import .../testing/register.mjs --test`: the modules of the contract are those of ./permissions.
import { register } from "node:module";

register("./hooks.mjs", import.meta.url);
