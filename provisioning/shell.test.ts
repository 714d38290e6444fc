import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { program, quote } from "./shell.ts";

const bash = (script: string, ...args: string[]): string =>
  execFileSync("bash", ["-s", ...args], { input: script, encoding: "utf8" });

describe("quote", () => {
  it("gives any value back through bash unchanged", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).filter((text) => !text.includes("\0")),
        (text) => {
          // A lone surrogate cannot be encoded in UTF-8.
          fc.pre(text.isWellFormed());
          expect(bash(`printf %s ${quote(text)}`)).toBe(text);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(["~", "~/file", "~root", "$HOME", "*", "{a,b}", "!!", "#x", "a;b", "a&b", "\\"])(
    "prevents bash from interpreting %s",
    (text) => {
      expect(bash(`printf %s ${quote(text)}`)).toBe(text);
    },
  );

  it("leaves plain words unchanged", () => {
    expect(quote("/mnt/jfs")).toBe("/mnt/jfs");
    expect(quote("")).toBe("''");
    expect(quote("it's")).toBe(`'it'\\''s'`);
  });

  it("refuses a NUL byte, which an argument cannot contain", () => {
    expect(() => quote("a\0b")).toThrow("NUL");
  });
});

describe("program", () => {
  it("is this text", () => {
    const text = program(
      { run: { script: "echo $1\n", args: ["a b"], stdin: ["s3cret"] }, undo: { script: "rm x" } },
      "step on node1",
    );
    expect(text).toBe(
      [
        "# step on node1",
        "set -euo pipefail",
        "run() {",
        "echo $1",
        "}",
        "undo() {",
        "rm x",
        "}",
        'case "$1" in',
        "run)",
        "run 'a b' <<'END'",
        "s3cret",
        "END",
        ";;",
        "undo)",
        "undo </dev/null",
        ";;",
        "esac",
        "",
      ].join("\n"),
    );
  });

  it("has no undo if there is nothing to undo", () => {
    expect(program({ run: { script: "true" }, undo: undefined }, "test")).toBe(
      program({ run: { script: "true" } }, "test"),
    );
  });

  it("gives a script its arguments and its standard input, and not the rest of the program", () => {
    const script = 'IFS= read -r a; IFS= read -r b; printf "%s|%s|%s|%s" "$1" "$a" "$b" "$(cat)"';
    const text = program({ run: { script, args: ["x'y z"], stdin: ["one $HOME", "END"] } }, "test");
    expect(bash(text, "run")).toBe("x'y z|one $HOME|END|");
  });

  it("stops at the first command that fails, also inside a pipe", () => {
    const text = program({ run: { script: "false | true\necho reached" } }, "test");
    expect(() => bash(text, "run")).toThrow();
  });

  it("refuses a line of standard input with a newline", () => {
    expect(() => program({ run: { script: "", stdin: ["a\nb"] } }, "test")).toThrow("newline");
  });
});
