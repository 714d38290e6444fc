// Jest transformer: removes types with the same code that Node uses at run time, so tests run what ships.
import { stripTypeScriptTypes } from "node:module";

// Silence the "experimental" notice of this one function; other warnings stay.
const emit = process.emitWarning;
process.emitWarning = (warning, ...rest) => {
  if (!String(warning).includes("stripTypeScriptTypes")) emit.call(process, warning, ...rest);
};

export default {
  process: (source) => ({ code: stripTypeScriptTypes(source) }),
};
