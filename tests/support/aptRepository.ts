/** An apt repository for a test, signed with its own key and served on loopback. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { execa } from "execa";

export interface AptRepository {
  readonly address: string;
  /** Fingerprint of the key that signs the repository; the key is at `ADDRESS/key.asc`. */
  readonly fingerprint: string;
  /** Fingerprint of another key in `key.asc`, which signs nothing. */
  readonly otherFingerprint: string;
  /** Local folder with its packages. */
  readonly pool: string;
  close(): void;
}

/** @param tree path and text of the package's files, in addition to its description; files in DEBIAN are for dpkg */
export async function makePackage(
  folder: string,
  description: { readonly name: string; readonly version: string; readonly depends?: string },
  tree: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { name, version, depends } = description;
  const root = join(folder, `${name}-${version}`);
  const files = {
    "DEBIAN/control": [
      ...[
        `Package: ${name}`,
        `Version: ${version}`,
        "Architecture: amd64",
        "Maintainer: A Test <a@example.org>",
      ],
      ...(depends === undefined ? [] : [`Depends: ${depends}`]),
      "Description: made by a test\n",
    ].join("\n"),
    ...tree,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
  }
  const file = join(folder, `${name}_${version}_amd64.deb`);
  await execa("dpkg-deb", ["--build", "--root-owner-group", root, file]);
  rmSync(root, { recursive: true });
  return file;
}

/** Serves `folder`, whose packages are in `folder/pool`, as the suite `stable`. */
export async function serveRepository(folder: string): Promise<AptRepository> {
  const pool = join(folder, "pool");
  const home = join(folder, "gnupg");
  mkdirSync(home, { mode: 0o700 });
  const gpg = async (...args: string[]): Promise<string> =>
    (await execa("gpg", ["--homedir", home, "--batch", "--passphrase", "", ...args])).stdout;
  const key = async (name: string): Promise<string> => {
    await gpg("--quick-generate-key", `${name}@example.org`, "ed25519", "sign", "never");
    const listed = await gpg("--with-colons", "--list-keys", `${name}@example.org`);
    return /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? "";
  };
  const [fingerprint, otherFingerprint] = [await key("signer"), await key("other")];
  writeFileSync(join(folder, "key.asc"), await gpg("--armor", "--export"));
  const { stdout } = await execa(
    "sh",
    [
      "-c",
      "for file in pool/*.deb; do dpkg-deb -f $file; echo Filename: $file; sha256sum $file; stat -c 'Size: %s' $file; echo; done",
    ],
    { cwd: folder },
  );
  const packages = `${stdout.replaceAll(/^([0-9a-f]{64}) .*$/gm, "SHA256: $1")}\n`;
  const lists = "dists/stable/main/binary-amd64";
  mkdirSync(join(folder, lists), { recursive: true });
  writeFileSync(join(folder, lists, "Packages"), packages);
  const hash = createHash("sha256").update(packages).digest("hex");
  const release = [
    ...["Suite: stable", "Codename: stable", "Components: main", "Architectures: amd64"],
    ...[`Date: ${new Date().toUTCString()}`, "SHA256:"],
    ` ${hash} ${Buffer.byteLength(packages)} main/binary-amd64/Packages\n`,
  ].join("\n");
  writeFileSync(join(folder, "dists/stable/Release"), release);
  await gpg(
    "--local-user",
    fingerprint,
    "--clearsign",
    "--output",
    join(folder, "dists/stable/InRelease"),
    join(folder, "dists/stable/Release"),
  );
  await execa("gpgconf", ["--homedir", home, "--kill", "all"]);
  const server = await serve(folder);
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ fingerprint, otherFingerprint, pool },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const file = join(folder, new URL(request.url ?? "/", "http://x").pathname);
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
