/** Compares versions of programs, ignoring the text around the numbers. */
import semver from "semver";

/** `1.26.10` is at least `1.26.6`; a version without numbers is at least none. */
export function atLeast(version: string, minimum: string): boolean {
  const [has, needs] = [semver.coerce(version), semver.coerce(minimum)];
  return needs === null || (has !== null && semver.gte(has, needs));
}
