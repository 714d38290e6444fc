/** command:remote:CopyToRemote and CopyFile against a real OpenSSH server. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { spawn } from "node:child_process";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { jest } from "@jest/globals";
import { startSshd, type SshServer } from "../../tests/support/sshd.ts";
import { copyFile } from "./copyFile.ts";
import { copyToRemote } from "./copyToRemote.ts";
import { Pool } from "./ssh/pool.ts";
import { failure, operate, properties } from "./testing/operations.ts";
import { secret, unknown, type Properties, type Value } from "./wire.ts";

jest.setTimeout(180_000);

const signature = "4dabf18193072939515e22adb298388d";
const asset = (form: object): Value =>
  properties({ [signature]: "c44067f5952c0a294b673a41bacd8c17", hash: "engine", ...form });
const archive = (form: object): Value =>
  properties({ [signature]: "0def7320c3a5731c473e5ecbe6d01bc7", hash: "engine", ...form });

let sshd: SshServer;
let pool: Pool;
let folder: string;
let from: string;
let to: string;

beforeAll(async () => {
  sshd = await startSshd();
  pool = new Pool();
});
afterAll(async () => {
  pool.close();
  await sshd.remove();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "copy-"));
  from = join(folder, "from");
  to = join(folder, "to");
  mkdirSync(from);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function inputs(source: Value, remotePath: string, connection: object = sshd.connection): Properties {
  return { ...properties({ connection, remotePath }), source };
}

/** Copies, and returns the debug line. */
async function copy(source: Value, remotePath: string): Promise<string> {
  const { lines } = await operate((operation) =>
    copyToRemote(pool).create(inputs(source, remotePath), operation),
  );
  return lines.debug.join();
}

async function hash(source: Value): Promise<unknown> {
  const { inputs: checked, faults } = await copyToRemote(pool).check(inputs(source, to));
  expect(faults).toEqual([]);
  return (checked["source"] as { hash: string }).hash;
}

const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

describe("where a source lands", () => {
  beforeEach(() => {
    mkdirSync(join(from, "dir/inner"), { recursive: true });
    writeFileSync(join(from, "dir/a"), "a");
    writeFileSync(join(from, "dir/inner/b"), "b");
    writeFileSync(join(from, "file"), "file");
  });

  test("a folder is copied under its name, whether or not the remote folder exists", async () => {
    await copy(archive({ path: join(from, "dir") }), to);
    expect(readFileSync(join(to, "dir/inner/b"), "utf8")).toBe("b");
    await copy(archive({ path: join(from, "dir") }), to);
    expect(readdirSync(to)).toEqual(["dir"]);
  });

  test("a folder with a trailing slash is copied as its contents, and missing parents are created", async () => {
    await copy(archive({ path: `${join(from, "dir")}/` }), join(to, "deep/er"));
    expect(readFileSync(join(to, "deep/er/inner/b"), "utf8")).toBe("b");
  });

  test("a file is copied to the remote path, or under its name into a remote folder", async () => {
    await copy(asset({ path: join(from, "file") }), join(to, "new/name"));
    expect(readFileSync(join(to, "new/name"), "utf8")).toBe("file");
    await copy(asset({ path: join(from, "file") }), to);
    expect(readFileSync(join(to, "file"), "utf8")).toBe("file");
  });

  test("an archive file is copied unchanged", async () => {
    writeFileSync(join(from, "x.tgz"), "not unpacked");
    await copy(archive({ path: join(from, "x.tgz") }), to);
    expect(readFileSync(to, "utf8")).toBe("not unpacked");
  });

  test("a text is written to a file, and a folder as its target is refused", async () => {
    await copy(asset({ text: "grüße\n" }), join(to, "text"));
    expect(readFileSync(join(to, "text"), "utf8")).toBe("grüße\n");
    await copy(asset({ text: "" }), join(to, "empty"));
    expect(readFileSync(join(to, "empty"), "utf8")).toBe("");
    expect(await failure(copy(asset({ text: "x" }), to))).toMatch(/is a folder: a text needs a remotePath/);
  });

  test("an archive of assets is copied with its names into the remote folder", async () => {
    const source = archive({
      assets: {
        "etc/a.conf": asset({ text: "a" }),
        file: asset({ path: join(from, "file") }),
        dir: archive({ path: join(from, "dir") }),
      },
    });
    await copy(source, to);
    expect(readFileSync(join(to, "etc/a.conf"), "utf8")).toBe("a");
    expect(readFileSync(join(to, "file"), "utf8")).toBe("file");
    expect(readFileSync(join(to, "dir/inner/b"), "utf8")).toBe("b");
    const outside = archive({ assets: { "../x": asset({ text: "a" }) } });
    expect(await failure(copy(outside, to))).toMatch(/leads out of it/);
  });

  test("a folder does not replace a file, nor a file a folder", async () => {
    writeFileSync(to, "in the way");
    expect(await failure(copy(archive({ path: `${from}/` }), to))).toMatch(
      /is a file, and a folder is to be copied/,
    );
    rmSync(to);
    mkdirSync(join(to, "a"), { recursive: true });
    expect(await failure(copy(archive({ path: `${join(from, "dir")}/` }), to))).toMatch(
      /a on the machine is a folder, and a file/,
    );
    expect(await failure(copy(asset({ path: join(from, "file") }), join(from, "file/below")))).toMatch(
      /is a file, and a folder/,
    );
  });

  test("symbolic links to files and folders are followed, and a circle of links is refused", async () => {
    symlinkSync(join(from, "dir"), join(from, "link"));
    symlinkSync("file", join(from, "filelink"));
    await copy(archive({ path: `${from}/` }), to);
    expect(readFileSync(join(to, "link/inner/b"), "utf8")).toBe("b");
    expect(readFileSync(join(to, "filelink"), "utf8")).toBe("file");
    symlinkSync("..", join(from, "dir/circle"));
    expect(await failure(copy(archive({ path: `${from}/` }), to))).toMatch(
      /leads back to a folder that it is in/,
    );
  });
});

describe("the remote path", () => {
  // This test creates its own folder in the home folder of the test's user.
  const name = `.copy-test-${process.pid}`;
  const home = join(userInfo().homedir, name);
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  test("a leading ~/ is the login user's home folder, and a trailing slash means a folder", async () => {
    writeFileSync(join(from, "x"), "x");
    await copy(asset({ path: join(from, "x") }), `~/${name}/new/`);
    expect(readFileSync(join(home, "new/x"), "utf8")).toBe("x");
    expect(await copy(asset({ path: join(from, "x") }), `~/${name}/new/x`)).toBe("0 files sent, 1 unchanged");
    expect(await failure(copy(asset({ text: "x" }), join(to, "new/")))).toMatch(
      /means a folder: a text needs/,
    );
  });

  test("a path that only a shell could expand, and an empty one, are refused at preview", async () => {
    const reasons = async (remotePath: string): Promise<string> =>
      (await copyToRemote(pool).check(inputs(asset({ text: "x" }), remotePath))).faults
        .map(({ reason }) => reason)
        .join();
    expect(await reasons("$HOME/x")).toMatch(
      /^remotePath has \$HOME in it, and no shell expands that: write ~\//,
    );
    expect(await reasons("/a/${B}/x")).toMatch(/^remotePath has \$\{B\} in it/);
    expect(await reasons("~ada/x")).toMatch(/^remotePath begins with ~ada: only ~\/ is expanded/);
    expect(await reasons("")).toMatch(/^remotePath is empty/);
    expect(await reasons("~/cost-$")).toBe("");
  });
});

describe("permissions", () => {
  test("files and new folders keep them, and existing folders are not changed", async () => {
    mkdirSync(join(from, "private"), { mode: 0o700 });
    writeFileSync(join(from, "tool"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(from, "key"), "key", { mode: 0o600 });
    writeFileSync(join(from, "private/read-only"), "x", { mode: 0o444 });
    mkdirSync(to, { mode: 0o1777 });
    chmodSync(to, 0o1777);
    await copy(archive({ path: `${from}/` }), to);
    expect(["", "tool", "key", "private", "private/read-only"].map((path) => mode(join(to, path)))).toEqual([
      "1777",
      "755",
      "600",
      "700",
      "444",
    ]);
  });

  test("a change of only the permissions is detected, and no content is sent", async () => {
    writeFileSync(join(from, "tool"), "x", { mode: 0o644 });
    const source = archive({ path: `${from}/` });
    const before = await hash(source);
    await copy(source, to);
    chmodSync(join(from, "tool"), 0o755);
    expect(await hash(source)).not.toBe(before);
    expect(await copy(source, to)).toBe("0 files sent, 1 unchanged");
    expect(mode(join(to, "tool"))).toBe("755");
  });

  test("a text keeps the permissions of the file that it replaces; a new file has 644, and 600 for a secret", async () => {
    const path = join(to, "text");
    await copy(asset({ text: "one" }), path);
    expect(mode(path)).toBe("644");
    chmodSync(path, 0o640);
    await copy(asset({ text: "two" }), path);
    expect(mode(path)).toBe("640");
    await copy(secret(asset({ text: "canary" })), join(to, "secret"));
    expect(mode(join(to, "secret"))).toBe("600");
  });
});

describe("what is sent", () => {
  test("only files with different content are sent, even if their size is the same", async () => {
    for (const name of ["same", "other", 'it\'s "odd" \\ name', "new\nline"])
      writeFileSync(join(from, name), "1234");
    const source = archive({ path: `${from}/` });
    expect(await copy(source, to)).toBe("4 files sent, 0 unchanged");
    const before = statSync(join(to, "same"));
    writeFileSync(join(from, "other"), "4321");
    expect(await copy(source, to)).toBe("1 files sent, 3 unchanged");
    expect(readFileSync(join(to, "other"), "utf8")).toBe("4321");
    expect(statSync(join(to, "same")).ino).toBe(before.ino);
    writeFileSync(join(to, "same"), "drifted on the machine");
    expect(await copy(source, to)).toBe("1 files sent, 3 unchanged");
  });

  test("the hash includes the content of files behind a link to a folder", async () => {
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere/x"), "1");
    symlinkSync(join(folder, "elsewhere"), join(from, "link"));
    const before = await hash(archive({ path: from }));
    writeFileSync(join(folder, "elsewhere/x"), "2");
    expect(await hash(archive({ path: from }))).not.toBe(before);
  });

  test("a program that is running, and a file that is being read, are replaced atomically", async () => {
    const target = join(to, "sleep");
    await copy(asset({ path: "/bin/sleep" }), target);
    const running = spawn(target, ["600"]);
    try {
      writeFileSync(join(from, "big"), Buffer.alloc(20_000_000, "b"));
      let sizes = new Set<number>();
      const watch = setInterval(() => sizes.add(statSync(target).size), 1);
      await copy(asset({ path: join(from, "big") }), target);
      clearInterval(watch);
      sizes = new Set([...sizes, statSync(target).size]);
      expect([...sizes].filter((size) => size !== statSync("/bin/sleep").size)).toEqual([20_000_000]);
      expect(running.exitCode).toBeNull();
      expect(readdirSync(to)).toEqual(["sleep"]);
    } finally {
      running.kill();
    }
  });

  test("a link on the machine remains, and its target is replaced", async () => {
    mkdirSync(to);
    writeFileSync(join(to, "real"), "old");
    symlinkSync("real", join(to, "link"));
    await copy(asset({ text: "new" }), join(to, "link"));
    expect(readFileSync(join(to, "real"), "utf8")).toBe("new");
    expect(readdirSync(to).sort()).toEqual(["link", "real"]);
  });

  test("1500 small files are sent with one login, and an unchanged copy sends none", async () => {
    for (let index = 0; index < 1500; index++) writeFileSync(join(from, String(index)), `${index}`);
    const before = sshd.logins();
    expect(await copy(archive({ path: `${from}/` }), to)).toBe("1500 files sent, 0 unchanged");
    expect(await copy(archive({ path: `${from}/` }), to)).toBe("0 files sent, 1500 unchanged");
    expect(sshd.logins() - before).toBeLessThanOrEqual(1);
  });

  test("files that were removed from the source stay on the machine", async () => {
    writeFileSync(join(from, "a"), "a");
    await copy(archive({ path: `${from}/` }), to);
    rmSync(join(from, "a"));
    writeFileSync(join(from, "b"), "b");
    await copy(archive({ path: `${from}/` }), to);
    expect(readdirSync(to).sort()).toEqual(["a", "b"]);
  });
});

describe("the end of a copy", () => {
  test("a copy that is stopped half-way leaves the old file complete, and the next copy leaves no temporary file", async () => {
    mkdirSync(to);
    writeFileSync(join(to, "big"), "old");
    writeFileSync(join(from, "big"), Buffer.alloc(200_000_000, "b"));
    const source = asset({ path: join(from, "big") });
    const message = await failure(
      operate((operation) => copyToRemote(pool).create(inputs(source, join(to, "big")), operation), {
        seconds: 0.3,
      }),
    );
    expect(message).toMatch(/not finished after 0.3 s/);
    expect(readFileSync(join(to, "big"), "utf8")).toBe("old");
    expect(await copy(source, join(to, "big"))).toBe("1 files sent, 0 unchanged");
    expect(readdirSync(to)).toEqual(["big"]);
    expect(statSync(join(to, "big")).size).toBe(200_000_000);
  });

  test("an error names a path that cannot be written", async () => {
    writeFileSync(join(from, "x"), "x");
    expect(await failure(copy(asset({ path: join(from, "x") }), "/proc/nowhere/x"))).toMatch(
      /cannot make the folder \/proc\/nowhere on the machine/,
    );
  });
});

describe("check", () => {
  test("a missing source, an address and an invalid source are refused at preview", async () => {
    const reasons = async (source: Value): Promise<string> =>
      (await copyToRemote(pool).check(inputs(source, to))).faults.map(({ reason }) => reason).join();
    expect(await reasons(asset({ path: join(from, "nothing") }))).toMatch(/nothing does not exist/);
    expect(await reasons(asset({ uri: "file:///x" }))).toMatch(/by its address \(URI\) cannot be copied/);
    expect(await reasons("text")).toMatch(/source must be an asset or an archive/);
    expect(await reasons(unknown)).toBe("");
  });
});

describe("CopyFile", () => {
  test("copies one file, and every change replaces the resource", async () => {
    writeFileSync(join(from, "x"), "x", { mode: 0o700 });
    const given = properties({
      connection: sshd.connection,
      localPath: join(from, "x"),
      remotePath: join(to, "y"),
    });
    await operate((operation) => copyFile(pool).create(given, operation));
    expect(readFileSync(join(to, "y"), "utf8")).toBe("x");
    expect(mode(join(to, "y"))).toBe("700");
    expect(
      ["connection", "localPath", "remotePath", "triggers"].map((input) => copyFile(pool).replaces(input)),
    ).toEqual([true, true, true, true]);
    expect(existsSync(join(to, "x"))).toBe(false);
  });
});
