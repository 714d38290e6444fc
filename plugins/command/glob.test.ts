/** The patterns of assetPaths and archivePaths. */
import { globPattern, picker } from "./glob.ts";

describe("globPattern", () => {
  test.each([
    ["*", "a", true],
    ["*", "a/b", false],
    ["**", "a/b", true],
    ["src/**.js", "src/index.js", true],
    ["src/**.js", "src/deep/er.js", true],
    ["src/*.js", "src/deep/er.js", false],
    ["**/b", "a/b", true],
    ["file?.txt", "file1.txt", true],
    ["file?.txt", "file/.txt", false],
    ["[ab].c", "b.c", true],
    ["[!ab].c", "b.c", false],
    ["*.{js,ts}", "x.ts", true],
    ["*.{js,ts}", "x.py", false],
    ["a.b", "axb", false],
    ["a+(b)", "a+(b)", true],
    ["\\*", "*", true],
    ["\\*", "x", false],
    ["ü*", "über", true],
  ])("%s on %s: %s", (pattern, path, matches) => {
    expect(globPattern(pattern).test(path)).toBe(matches);
  });

  test("an opening brace without a closing one is an error that names the pattern", () => {
    expect(() => globPattern("a{b,c")).toThrow("the pattern a{b,c has an opening { without its }");
  });
});

test("later patterns take precedence, and ! excludes: the example of the schema", () => {
  const picks = picker(["assets/**", "src/**.js", "!**secret.*"]);
  expect(["assets/logos/logo.svg", "src/index.js", "src/secret.js", "other"].filter(picks)).toEqual([
    "assets/logos/logo.svg",
    "src/index.js",
  ]);
});
