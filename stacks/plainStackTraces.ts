/**
 * Imported first. The SDK maps each stack trace to source files, and it takes a trace of each resource's input: 0.25 s at each
 * start of this program. Node strips types in place, so the traces are right without that.
 */
Reflect.deleteProperty(Error, "prepareStackTrace");
