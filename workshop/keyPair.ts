/** SSH key pairs, generated once and stored in a file readable by the user only. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { execa } from "execa";

export interface KeyPair {
  /** OpenSSH private key. */
  readonly privateKey: string;
  /** One line: type, key, comment. */
  readonly publicKey: string;
}

/** The key pair in `file` (and `file.pub`), generated if it does not exist. */
export async function ensureKeyPair(file: string): Promise<KeyPair> {
  if (!existsSync(file)) {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    // The private half is renamed last: if its file exists, the pair is complete.
    const beside = `${file}.new`;
    // Remains of a run that was killed here: ssh-keygen would ask whether to overwrite them.
    await removeKeyPair(beside);
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "disgrafs-lab", "-f", beside]);
    await rename(`${beside}.pub`, `${file}.pub`);
    await rename(beside, file);
  }
  return { privateKey: readFileSync(file, "utf8"), publicKey: readFileSync(`${file}.pub`, "utf8").trim() };
}

export async function removeKeyPair(file: string): Promise<void> {
  const files = [file, `${file}.pub`, `${file}.new`, `${file}.new.pub`];
  await Promise.all(files.map((path) => rm(path, { force: true })));
}
