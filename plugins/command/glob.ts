/**
 * The patterns of `assetPaths` and `archivePaths`. They follow gobwas/glob, which the published plugin uses and no npm package
 * implements: `*` matches anything without `/`, and `**` anything including `/`, in any position (`src/**.js`).
 */
import { StepError } from "./errors.ts";

/** A test for one pattern: `*`, `**`, `?`, `[abc]`, `[!abc]`, `{one,two}`, and `\` before a character meant as itself. */
export function globPattern(pattern: string): RegExp {
  let alternatives = 0;
  const parts = [...pattern.matchAll(/\*\*|\[!?[^\]]+\]|\\.|./gsu)].map(([part]) => {
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (part.length > 1 && part.startsWith("[")) return part.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
    if (part === "{") return alternatives++ >= 0 ? "(?:" : "";
    if (part === "}" && alternatives > 0) return alternatives-- > 0 ? ")" : "";
    if (part === "," && alternatives > 0) return "|";
    return part.replace(/^\\(.)/s, "$1").replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  });
  if (alternatives !== 0) throw new StepError(`the pattern ${pattern} has an opening { without its }`);
  return new RegExp(`^${parts.join("")}$`, "su");
}

/** The paths that a list of patterns selects: later patterns take precedence, and one that begins with `!` excludes. */
export function picker(patterns: readonly string[]): (path: string) => boolean {
  const rules = patterns.map((pattern) => ({
    picks: !pattern.startsWith("!"),
    test: globPattern(pattern.replace(/^!/, "")),
  }));
  return (path) => rules.findLast((rule) => rule.test.test(path))?.picks ?? false;
}
