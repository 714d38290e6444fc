/** A vendor's package, downloaded by the real apt from the test's repository. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VendorPackage } from "../../provisioning/vendorPackage.ts";
import { makePackage, serveRepository, type AptRepository } from "../../tests/support/aptRepository.ts";
import { ensurePackage, packageKey, whyUnavailable } from "./vendorPackage.ts";

describe("a vendor's package", () => {
  const folder = mkdtempSync(join(tmpdir(), "vendor-"));
  const cache = join(folder, "cache");
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  let repository: AptRepository;
  let wanted: VendorPackage;
  let file: string;
  beforeAll(async () => {
    const pool = join(folder, "repository", "pool");
    mkdirSync(pool, { recursive: true });
    file = await makePackage(pool, { name: "drawer", version: "1.2.3" });
    await makePackage(pool, { name: "drawer", version: "1.2.4" });
    repository = await serveRepository(join(folder, "repository"));
    const { address, fingerprint } = repository;
    wanted = {
      name: "drawer",
      version: "1.2.3",
      repository: address,
      suite: "stable",
      key: "key.asc",
      fingerprint,
    };
  }, 60_000);
  afterAll(() => {
    repository.close();
    rmSync(folder, { recursive: true });
  });
  const left = (): string[] => readdirSync(join(cache, "packages")).sort();

  it("is refused, with a reason of one line, if the repository is signed by another key of its key file", async () => {
    const other = { ...wanted, fingerprint: repository.otherFingerprint };
    expect(await whyUnavailable(other, cache)).toMatch(/^The repository .* is not signed\.$/);
    await expect(ensurePackage(other, say, cache)).rejects.toThrow(
      /^drawer 1\.2\.3 could not be downloaded from http:.*: The repository .* is not signed\.$/,
    );
    expect(left()).toEqual(["drawer.lock"]);
  }, 60_000);

  it.each([
    ["a version that is not there", { version: "9.9.9" }, "Version '9.9.9' for 'drawer' was not found"],
    ["a key that is not there", { key: "none.asc" }, /^Failed to fetch http:\S+none\.asc 404 Not Found/],
    [
      "a repository that cannot be reached",
      { repository: "http://drawer.invalid" },
      /^Failed to fetch http:\/\/drawer\.invalid\/key\.asc /,
    ],
  ])(
    "is refused with %s",
    async (_, over, words) => {
      expect(await whyUnavailable({ ...wanted, ...over }, cache)).toEqual(expect.stringMatching(words));
    },
    60_000,
  );

  it("is refused if its file does not match the index", async () => {
    const whole = readFileSync(file);
    const changed = Buffer.from(whole);
    changed[100] = (changed[100] ?? 0) ^ 1;
    writeFileSync(file, changed);
    await expect(ensurePackage(wanted, say, cache)).rejects.toThrow(/Hash Sum mismatch/);
    writeFileSync(file, whole);
    expect(left()).toEqual(["drawer.lock"]);
  }, 60_000);

  it("is downloaded once, in the pinned version, and later comes from the cache without the repository", async () => {
    said.length = 0;
    expect(await whyUnavailable(wanted, cache)).toBeUndefined();
    const had = await ensurePackage(wanted, say, cache);
    expect(readFileSync(had)).toEqual(readFileSync(file));
    expect(said).toEqual([`downloading drawer 1.2.3 from ${repository.address}`]);
    expect(left()).toEqual([packageKey(wanted), "drawer.lock"]);
    // The remains of a killed download do not matter.
    mkdirSync(join(cache, "packages", `${packageKey({ ...wanted, version: "1.2.4" })}.partial`));
    appendFileSync(
      join(cache, "packages", `${packageKey({ ...wanted, version: "1.2.4" })}.partial`, "half.deb"),
      "x",
    );
    expect(existsSync(await ensurePackage({ ...wanted, version: "1.2.4" }, say, cache))).toBe(true);
    repository.close();
    expect(await whyUnavailable(wanted, cache)).toBeUndefined();
    expect(await ensurePackage(wanted, say, cache)).toBe(had);
  }, 60_000);
});
