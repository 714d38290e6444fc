import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureKeyPair, removeKeyPair } from "./keyPair.ts";

describe("a key pair", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "keys-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is created once, readable only by its owner, even after a run that was killed while creating it", async () => {
    const file = join(folder, "key");
    for (const left of ["key.new", "key.new.pub", "key.pub"]) writeFileSync(join(folder, left), "half");
    const made = await ensureKeyPair(file);
    expect(made.privateKey).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----/);
    expect(made.publicKey).toMatch(/^ssh-ed25519 \S+ disgrafs-lab$/);
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(await ensureKeyPair(file)).toEqual(made);
    expect(readdirSync(folder).sort()).toEqual(["key", "key.pub"]);
  });

  it("is removed together with the remains of a killed run", async () => {
    for (const left of ["key", "key.pub", "key.new", "key.new.pub"]) writeFileSync(join(folder, left), "");
    await removeKeyPair(join(folder, "key"));
    expect(readdirSync(folder)).toEqual([]);
  });
});
