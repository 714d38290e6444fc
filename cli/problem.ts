/**
 * An error that a person can act on: its message says what is wrong and what to do, and no stack trace is shown. The exit
 * status is 1, as for everything else that was asked for and is not so.
 */
export class Problem extends Error {
  override readonly name = "Problem";
}
