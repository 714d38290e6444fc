/** Checks the options for a loader. */
import { loaderWord } from "../extension.ts";

/** @throws Error if an option could not be passed to the loader unchanged */
export function checkOptions(extension: string, options: readonly string[]): void {
  const broken = options.find((word) => !loaderWord.test(word));
  if (broken === undefined) return;
  throw new Error(
    `extension ${extension}: option ${JSON.stringify(broken)} has a character other than letters, digits and ` +
      `@%+=:,./_- ; write each argument of the loader as a separate option`,
  );
}
