import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildKey, builderKey } from "./builder.ts";

describe("buildKey", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "builder-"));
    writeFileSync(join(folder, "x.bpf.c"), "int x;\n");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("is the same for the same sources in any folder", () => {
    const copy = mkdtempSync(join(tmpdir(), "builder-"));
    cpSync(folder, copy, { recursive: true });
    expect(buildKey(copy)).toBe(buildKey(folder));
    rmSync(copy, { recursive: true });
  });

  it("changes with a source's text and with a new file", () => {
    const before = buildKey(folder);
    writeFileSync(join(folder, "x.bpf.c"), "int y;\n");
    const after = buildKey(folder);
    expect(after).not.toBe(before);
    writeFileSync(join(folder, "y.bpf.c"), "");
    expect(buildKey(folder)).not.toBe(after);
  });

  it("does not depend on documents, tests and scripts", () => {
    const before = buildKey(folder);
    writeFileSync(join(folder, "README.md"), "words");
    writeFileSync(join(folder, "x.vm.test.ts"), "");
    writeFileSync(join(folder, "vm.sh"), "");
    writeFileSync(join(folder, "pyproject.toml"), "");
    expect(buildKey(folder)).toBe(before);
  });

  it.each(["build", "__pycache__", ".mypy_cache", "tests/.ruff_cache"])(
    "does not depend on files that tools leave in %s, in any checkout",
    (left) => {
      const checkout = join(folder, "build", ".cache", "lab");
      mkdirSync(join(checkout, left), { recursive: true });
      writeFileSync(join(checkout, "x.bpf.c"), "int x;\n");
      const before = buildKey(checkout);
      writeFileSync(join(checkout, left, "x.c"), "");
      expect(buildKey(checkout)).toBe(before);
      writeFileSync(join(checkout, "y.c"), "");
      expect(buildKey(checkout)).not.toBe(before);
    },
  );
});

describe("builderKey", () => {
  it("is a stable hash", () => {
    expect(builderKey()).toMatch(/^[0-9a-f]{16}$/);
    expect(builderKey()).toBe(builderKey());
  });
});
