import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheEntries, prune } from "./cache.ts";
import { noteUse } from "./cacheUse.ts";

describe("the cache", () => {
  let folder: string;
  let cache: string;
  let other: string;
  const say = (): void => undefined;
  const present = new Set(["builder/0000000000000001"]);
  const make = (kind: string, name: string, age = 7200): string => {
    const entry = join(cache, kind, name);
    mkdirSync(entry, { recursive: true });
    writeFileSync(join(entry, "file"), "x");
    const then = Date.now() / 1000 - age;
    utimesSync(entry, then, then);
    return entry;
  };
  const removed = async (): Promise<string[]> =>
    (await prune(say, cache, present)).map(({ kind, name }) => `${kind}/${name}`);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cache-"));
    cache = join(folder, "cache");
    other = join(folder, "other");
    mkdirSync(other);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("loses entries that nothing needs, and keeps those that this checkout would use now", async () => {
    const kept = make("builder", "0000000000000001");
    make("builder", "0000000000000002");
    make("images", "debian-13-0000000000000003");
    make("extensions", "0000000000000004.partial");
    expect(await removed()).toEqual([
      "images/debian-13-0000000000000003",
      "builder/0000000000000002",
      "extensions/0000000000000004.partial",
    ]);
    expect(existsSync(join(kept, "file"))).toBe(true);
    expect(await removed()).toEqual([]);
  });

  it("keeps the entries that another checkout used last, as long as that checkout exists", async () => {
    make("extensions", "0000000000000005");
    make("extensions", "0000000000000006");
    noteUse("extensions", "build", "0000000000000006", cache, other);
    noteUse("extensions", "build", "0000000000000005", cache, other);
    const past = Date.now() / 1000 - 7200;
    for (const name of ["0000000000000005", "0000000000000006"])
      utimesSync(join(cache, "extensions", name), past, past);
    expect(await removed()).toEqual(["extensions/0000000000000006"]);
    expect((await cacheEntries(cache, present)).map(({ neededBy }) => neededBy)).toEqual([other]);
    rmSync(other, { recursive: true });
    expect(await removed()).toEqual(["extensions/0000000000000005"]);
  });

  it("keeps entries that were used in the last hour", async () => {
    make("images", "debian-12-0000000000000007", 60);
    expect(await removed()).toEqual([]);
  });

  it("keeps an entry that a process has open", async () => {
    const entry = make("images", "debian-12-0000000000000008");
    const reader = spawn("sh", ["-c", 'exec 3<"$1"; echo open; cat', "sh", join(entry, "file")]);
    await once(reader.stdout, "data");
    expect(await removed()).toEqual([]);
    reader.stdin.end();
    await once(reader, "close");
    expect(await removed()).toEqual(["images/debian-12-0000000000000008"]);
  });

  it("waits for a process that is creating an entry", async () => {
    const partial = make("images", "debian-12-0000000000000009.partial");
    const baker = spawn("flock", [join(cache, "images", "debian-12.lock"), "sh", "-c", "echo held; cat"]);
    await once(baker.stdout, "data");
    const pruned = removed();
    await Promise.race([pruned, new Promise((resolve) => setTimeout(resolve, 500))]);
    expect(existsSync(partial)).toBe(true);
    baker.stdin.end();
    expect(await pruned).toEqual(["images/debian-12-0000000000000009.partial"]);
  });
});
