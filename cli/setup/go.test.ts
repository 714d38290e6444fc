import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launcher, requiredGo } from "./go.ts";

describe("requiredGo", () => {
  it("is the go line of go.mod, and not the tool or toolchain line", () => {
    expect(requiredGo("module x\n\ntoolchain go1.27.0\n\ngo 1.26.6\n\ntool github.com/x/y\n")).toBe("1.26.6");
  });
});

describe("the launcher of a program that always gets some arguments", () => {
  it("starts the program beside it with these first, and passes on the others", () => {
    const folder = mkdtempSync(join(tmpdir(), "go launcher "));
    try {
      const file = join(folder, "host");
      writeFileSync(file, launcher(["-typescript=false", "a b"]), { mode: 0o755 });
      writeFileSync(`${file}.program`, '#!/bin/sh\nprintf "%s|" "$@"\n', { mode: 0o755 });
      const link = join(folder, "another checkout", "host");
      mkdirSync(join(folder, "another checkout"));
      symlinkSync(file, link);
      for (const started of [file, link])
        expect(execFileSync(started, ["127.0.0.1:1", "x y"], { encoding: "utf8" })).toBe(
          "-typescript=false|a b|127.0.0.1:1|x y|",
        );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
