/**
 * An error for the user: its message names the problem and the solution, and is shown without a stack trace. The exit status is
 * 1, as for every failure.
 */
export class Problem extends Error {
  override readonly name = "Problem";
}
