/** The provider under the real Pulumi CLI: what a user of @pulumi/command sees. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jest } from "@jest/globals";
import { withStack, type RunResult, type Stack } from "../../tests/support/pulumi.ts";
import { freePort } from "../../workshop/freePort.ts";
import { startSshd, type SshServer } from "../../tests/support/sshd.ts";
import { processesWith, until } from "./testing/processes.ts";

jest.setTimeout(600_000);

let sshd: SshServer;
let other: SshServer;
beforeAll(async () => {
  sshd = await startSshd();
  other = await startSshd();
});
afterAll(async () => {
  await sshd.remove();
  await other.remove();
});

/** A program that has `connection`, the SDK's parts and the given lines. */
function program(lines: string, connection: object = sshd.connection): string {
  return `import * as pulumi from "@pulumi/pulumi";
import { local, remote } from "@pulumi/command";
const connection = pulumi.secret(${JSON.stringify(connection)});
${lines}
`;
}

/** The summary's line for unchanged resources is the only one. */
function unchanged({ output }: RunResult): boolean {
  const summary = /Resources:\n((?: {4}.*\n)+)/.exec(output)?.[1] ?? "";
  return /^ {4}\d+ unchanged\n$/.test(summary);
}

/** How many resources the summary counts under a word. */
function count({ output }: RunResult, word: string): number {
  return Number(new RegExp(`^ +[+~-]+ (\\d+) (?:to )?${word}`, "m").exec(output)?.[1] ?? 0);
}

describe("the life of a remote command and a copy", () => {
  test("a preview, a create, an up without changes, each kind of change, and a destroy do what they should", async () => {
    const canary = "canary-3b7f2a";
    const dead = { ...sshd.connection, port: await freePort() };
    const lines = (more = "", stdin = "", trigger = "one"): string => `
      const copy = new remote.CopyToRemote("copy", {
        connection, source: new pulumi.asset.FileArchive("files/"), remotePath: "${sshd.folder}/copied", ${more}
      });
      const command = new remote.Command("command", {
        connection,
        create: "bash -s",
        stdin: pulumi.secret(\`set -euo pipefail
echo created >>${sshd.folder}/steps
read -r password <<'END'
${canary}
END
echo "length \${"$"}{#password}" \${"$"}(cat ${sshd.folder}/copied/file) ${stdin}\`),
        delete: "echo deleted >>${sshd.folder}/steps",
        triggers: ["${trigger}"],
        addPreviousOutputInEnv: false,
      }, { dependsOn: copy, deleteBeforeReplace: true });
      const key = new remote.Command("key", { connection, create: "printf '%s-%s' canary generated", logging: "none" },
        { additionalSecretOutputs: ["stdout"] });
      export const out = command.stdout;
      command.stdout.apply((text) => { console.log("the program sees", text); });
      export const secretOut = key.stdout;
      export const length = key.stdout.apply((text) => text.length);`;
    await withStack({ program: program(lines(), dead) }, async (stack) => {
      mkdirSync(join(stack.folder, "files"));
      writeFileSync(join(stack.folder, "files/file"), "content");

      const preview = await stack.preview();
      expect(count(preview, "create")).toBe(4);
      expect(preview.output).not.toContain("the program sees");

      stack.program(program(lines()));
      const up = await stack.up();
      expect(await stack.outputs()).toMatchObject({
        out: "length 13 content",
        secretOut: "canary-generated",
      });
      expect(up.output).toContain("the program sees length 13 content");

      // Secrets are in no log and in no file of the state.
      for (const text of [up.output, preview.output, stack.state()]) {
        expect(text.includes(canary) || text.includes("canary-generated")).toBe(false);
        expect(text).not.toContain("PRIVATE KEY");
        expect(text).not.toContain(sshd.privateKey.split("\n")[2]);
      }

      expect(unchanged(await stack.up())).toBe(true);
      expect(unchanged(await stack.run(["refresh", "--yes", "--skip-preview"]))).toBe(true);
      // A change of the dial limits changes nothing on the machine.
      stack.program(
        program(lines(), { ...sshd.connection, dialErrorLimit: 60, hostKey: `${sshd.hostKey} comment` }),
      );
      expect(unchanged(await stack.up())).toBe(true);
      expect(readFileSync(join(sshd.folder, "steps"), "utf8")).toBe("created\n");

      // First permissions, then content: each change causes an update of only the copy.
      chmodSync(join(stack.folder, "files/file"), 0o755);
      expect(count(await stack.up(), "updated")).toBe(1);
      expect(statSync(join(sshd.folder, "copied/file")).mode & 0o777).toBe(0o755);
      writeFileSync(join(stack.folder, "files/file"), "changed");
      expect(count(await stack.up(), "updated")).toBe(1);
      expect(readFileSync(join(sshd.folder, "copied/file"), "utf8")).toBe("changed");

      // A changed input causes an update, whose output is unknown in a preview.
      stack.program(program(lines("", "again")));
      expect((await stack.preview()).output).not.toContain("the program sees");
      expect(count(await stack.up(), "updated")).toBe(1);
      expect((await stack.outputs())["out"]).toBe("length 13 changed again");

      // A trigger causes a replacement; with deleteBeforeReplace, the old resource's delete runs first.
      stack.program(program(lines("", "again", "two")));
      expect((await stack.up()).output).toMatch(/1 replaced/);
      expect(readFileSync(join(sshd.folder, "steps"), "utf8")).toBe("created\ncreated\ndeleted\ncreated\n");

      // On another machine, the files are copied again. (It has the same disk here, so the old copy is removed first.)
      rmSync(join(sshd.folder, "copied"), { recursive: true });
      stack.program(program(lines("", "again", "two"), other.connection));
      await stack.up();
      expect(readFileSync(join(sshd.folder, "copied/file"), "utf8")).toBe("changed");
      expect(other.logins()).toBe(1);

      await stack.destroy();
      expect(readFileSync(join(sshd.folder, "steps"), "utf8")).toMatch(/deleted\n$/);
    });
  });
});

describe("mistakes", () => {
  test("an error names an unknown field of the connection, and no key is printed", async () => {
    const lines = `new remote.Command("x", { connection: pulumi.output(connection).apply((c) => ({ ...c, extra: 1 })), create: "true" });`;
    await withStack({ program: program(lines) }, async (stack) => {
      for (const { output } of [await stack.preview("any"), await stack.up("any")]) {
        expect(output).toMatch(/connection has no field "extra"; its fields are host, port/);
        expect(output).not.toContain("PRIVATE KEY");
        expect(output).not.toContain(sshd.privateKey.split("\n")[2]);
      }
    });
  });

  test("a command that fails leaves no resource, reports how it ended, and runs again at the next up", async () => {
    const lines = (script: string): string =>
      `new remote.Command("x", { connection, create: "bash -s", stdin: pulumi.secret(${JSON.stringify(script)}) });`;
    await withStack(
      {
        program: program(
          lines("echo trouble ahead\necho 'pw=canary-77aa' >&2\nexit 3\n# canary-77aa\ncanary-77aa\n"),
        ),
      },
      async (stack) => {
        const failed = await stack.up("any");
        expect(failed.status).not.toBe(0);
        expect(failed.output).toMatch(
          /exit status 3; the last lines that it printed:\s+trouble ahead\s+pw=\[secret\]/,
        );
        expect(failed.output).not.toContain("canary-77aa");
        expect(stack.state().includes("canary-77aa")).toBe(false);
        expect((await stack.resources()).map(({ type }) => type)).not.toContain("command:remote:Command");
        stack.program(program(lines("echo fine\n")));
        expect(count(await stack.up(), "created")).toBe(1);
      },
    );
  });
});

describe("an operation that has to end", () => {
  const sleeper = (kind: "remote" | "local", mark: string, timeout = ""): string => {
    const script = JSON.stringify(
      `bash -c 'exec -a ${mark} sleep 300' & timeout 300 bash -c 'exec -a ${mark} sleep 300'; wait`,
    );
    const connection = kind === "remote" ? "connection," : "interpreter: ['bash', '-c'],";
    return `new ${kind}.Command("${kind}", { ${connection} create: ${script} }, { ${timeout} });`;
  };
  let marks = 0;
  const newMark = (): string => `engine-${process.pid}-${Date.now()}-${marks++}`;
  const both = (mark: string, timeout?: string): string =>
    program(sleeper("remote", `${mark}-remote`, timeout) + sleeper("local", `${mark}-local`, timeout));
  const running = (mark: string) => (): boolean =>
    processesWith(`${mark}-remote`).length >= 2 && processesWith(`${mark}-local`).length >= 2;

  test("customTimeouts end the local and the remote processes", async () => {
    const mark = newMark();
    await withStack({ program: both(mark, `customTimeouts: { create: "4s" }`) }, async (stack) => {
      const { output, status } = await stack.up("any");
      expect(status).not.toBe(0);
      expect(
        output.match(/not finished after 4 s, the limit that customTimeouts sets for it/g)?.length,
      ).toBeGreaterThanOrEqual(2);
      expect(processesWith(mark)).toEqual([]);
    });
  });

  test("Ctrl-C ends the local and the remote processes", async () => {
    const mark = newMark();
    await withStack({ program: both(mark) }, async (stack) => {
      const up = stack.start(["up", "--yes", "--skip-preview"]);
      await until("both commands run", running(mark), 300);
      up.process.kill("SIGINT");
      const { status } = await up.result;
      expect(status).not.toBe(0);
      expect(processesWith(mark)).toEqual([]);
    });
  });

  test("kill -9 of the CLI ends the processes, and after `pulumi cancel` the next up succeeds", async () => {
    const mark = newMark();
    await withStack({ program: both(mark) }, async (stack) => {
      const up = stack.start(["up", "--yes", "--skip-preview"]);
      await until("both commands run", running(mark), 300);
      up.process.kill("SIGKILL");
      await until("no process is left", () => processesWith(mark).length === 0, 120);
      await recover(stack);
      stack.program(program(`new remote.Command("remote", { connection, create: "true" });`));
      expect(count(await stack.up(), "created")).toBeGreaterThanOrEqual(1);
    });
  });
});

async function recover(stack: Stack): Promise<void> {
  await stack.run(["cancel", "--yes"]);
  await stack.run(["refresh", "--yes", "--skip-preview", "--clear-pending-creates"]);
}

describe("local commands", () => {
  test("all inputs take effect, and a second up changes nothing", async () => {
    const text = `
      const files = new local.Command("files", {
        create: "mkdir -p out/deep; echo a >out/a.txt; echo b >out/deep/b.txt; echo s >out/secret.txt; cat; echo $NAME; pwd",
        interpreter: ["/bin/bash", "-euc"],
        dir: "work",
        stdin: "in\\n",
        environment: { NAME: "value" },
        assetPaths: ["out/**.txt", "!**secret*"],
        archivePaths: ["out/*.txt"],
        delete: "echo gone >../gone",
      });
      export const stdout = files.stdout;
      export const assets = files.assets.apply((assets) => Object.keys(assets ?? {}));
      export const archive = files.archive.apply(async (archive) => Object.keys(await (archive as pulumi.asset.AssetArchive).assets));
      const long = new local.Command("long", { create: "head -c 300000 /dev/zero | tr '\\\\0' x" });
      export const length = long.stdout.apply((text) => text.length);
      export const run = local.runOutput({ command: "echo run $X", environment: { X: "it" } }).stdout;
      const key = new local.Command("key", { create: "printf '%s-%s' canary 51", logging: "none" }, { additionalSecretOutputs: ["stdout"] });
      export const key_ = key.stdout;`;
    await withStack({ program: program(text) }, async (stack) => {
      mkdirSync(join(stack.folder, "work"));
      await stack.up();
      expect(await stack.outputs()).toEqual({
        stdout: `in\nvalue\n${stack.folder}/work`,
        assets: ["out/a.txt", "out/deep/b.txt"],
        archive: ["out/a.txt", "out/secret.txt"],
        length: 300_000,
        run: "run it",
        key_: "canary-51",
      });
      expect(stack.state().includes("canary-51")).toBe(false);
      const again = await stack.up();
      expect(unchanged(again)).toBe(true);
      await stack.destroy();
      expect(existsSync(join(stack.folder, "gone"))).toBe(true);
    });
  });
});
