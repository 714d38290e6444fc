import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheIdentity } from "./identity.ts";

describe("the cache's identity", () => {
  const root = mkdtempSync(join(tmpdir(), "cache-"));
  const folder = join(root, "a", "cache");
  afterAll(() => {
    rmSync(root, { recursive: true });
  });

  it("stays the same while the folder exists, also at another place, and nothing else is left in it", () => {
    const first = cacheIdentity(folder);
    expect(cacheIdentity(folder)).toBe(first);
    expect(readdirSync(folder)).toEqual(["identity"]);
    const moved = join(root, "moved");
    renameSync(folder, moved);
    expect(cacheIdentity(moved)).toBe(first);
    cpSync(moved, folder, { recursive: true });
    expect(cacheIdentity(folder)).toBe(first);
  });

  it("is another one after the folder was deleted", () => {
    const first = cacheIdentity(folder);
    rmSync(folder, { recursive: true });
    expect(cacheIdentity(folder)).not.toBe(first);
  });
});
