// Says on standard error which modules a program loads: node --import THIS PROGRAM.
import { writeSync } from "node:fs";
import { registerHooks } from "node:module";

registerHooks({
  load(url, context, next) {
    writeSync(2, `loaded: ${url}\n`);
    return next(url, context);
  },
});
