/** Parses the results of scripts that run in machines and print TAP (testanything.org). */

/** The failed tests, each with its explaining lines. A run that did not reach its plan counts as failed, too. */
export function failures(tap: string): string[] {
  const results = tap.match(/^(not )?ok \d+ /gm) ?? [];
  const failed = tap.split(/^(?=(?:not )?ok \d+ )/m).filter((part) => part.startsWith("not ok"));
  const whole = results.length > 0 && tap.split("\n").includes(`1..${results.length}`);
  return whole ? failed : [...failed, `no whole run: ${tap.slice(-4000)}`];
}
