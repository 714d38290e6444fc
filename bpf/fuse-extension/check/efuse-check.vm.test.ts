/** The checker itself, on folders of this machine: it finds nothing where all is coherent, and stale answers where not. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { buildExtensions } from "../../../stacks/local/builder.ts";

interface Result {
  readonly reads: number;
  readonly changes: number;
  readonly violations: Readonly<Record<string, number>>;
}

describe("efuse-check", () => {
  let program: string;
  let folder: string;
  const check = async (
    bound: number,
    ...folders: string[]
  ): Promise<{ status: number | undefined; result: Result }> => {
    const options = ["--seconds", "3", "--bound", String(bound), "--seed", "1"];
    const done = await execa(program, [...options, ...folders], { reject: false, timeout: 120_000 });
    return { status: done.exitCode, result: JSON.parse(done.stdout) as Result };
  };

  beforeAll(async () => {
    const build = await buildExtensions((line) => process.stderr.write(`${line}\n`));
    program = join(build, "debian-13", "fuse-extension", "efuse-check");
    folder = mkdtempSync(join(tmpdir(), "check-"));
    mkdirSync(join(folder, "first"));
  }, 1_200_000);
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it("finds nothing when both clients are on one folder of a local file system", async () => {
    const { status, result } = await check(200, join(folder, "first"), join(folder, "first"));
    expect(result.violations).toEqual({ bound: 0, own: 0, close: 0, torn: 0, impossible: 0 });
    expect(status).toBe(0);
    expect(result.reads).toBeGreaterThan(100);
    expect(result.changes).toBeGreaterThan(50);
  }, 150_000);

  it("finds stale answers when a client never sees what the other changes", async () => {
    cpSync(join(folder, "first"), join(folder, "second"), { recursive: true });
    const { status, result } = await check(1, join(folder, "first"), join(folder, "second"));
    expect(result.violations.bound).toBeGreaterThan(0);
    expect(result.violations.close).toBeGreaterThan(0);
    expect(status).toBe(1);
  }, 150_000);
});
