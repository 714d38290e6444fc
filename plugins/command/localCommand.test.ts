/** command:local:Command on this machine. */
import { jest } from "@jest/globals";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localCommand } from "./localCommand.ts";
import { Operations } from "./operation.ts";
import { failure, operate, properties } from "./testing/operations.ts";
import { processesWith, until } from "./testing/processes.ts";
import type { Properties } from "./wire.ts";

// This machine may be busy.
jest.setTimeout(60_000);

const create = (
  given: object,
  options?: Parameters<typeof operate>[1],
): ReturnType<typeof operate<Properties>> =>
  operate((operation) => localCommand.create(properties({ logging: "none", ...given }), operation), options);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "local-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("local.Command", () => {
  test("gets the engine's environment, its own variables and the previous output", async () => {
    const given = properties({
      update: "echo $HOME:$NAME:$PULUMI_COMMAND_STDOUT",
      environment: { NAME: "x" },
      logging: "none",
    });
    const { value } = await operate((operation) =>
      localCommand.update(given, { stdout: "before" }, operation),
    );
    expect(value["stdout"]).toBe(`${process.env["HOME"] ?? ""}:x:before`);
  });

  test("an error names a missing program or folder", async () => {
    expect(await failure(create({ create: "true", dir: "/nowhere" }))).toMatch(
      /in the folder \/nowhere: .* does not exist/,
    );
    expect(await failure(create({ create: "x", interpreter: ["/no/such"] }))).toMatch(
      /cannot start \/no\/such/,
    );
  });

  test("a failure has the exit status and the last lines of output, and not the command", async () => {
    const message = await failure(create({ create: "echo why >&2; exit 9 # canary" }));
    expect(message).toBe("exit status 9; the last lines that it printed:\nwhy");
  });

  test("a daemon in its own session stays after the command, and does not delay it", async () => {
    const mark = `local-daemon-${process.pid}-${Date.now()}`;
    const daemon = `setsid bash -c 'exec -a ${mark} sleep 60' </dev/null >/dev/null 2>&1 & echo started`;
    const { value, lines } = await create({ create: daemon });
    try {
      expect(value["stdout"]).toBe("started");
      expect(lines.warn).toEqual([]);
      await until("the daemon runs", () => processesWith(mark).length === 1);
    } finally {
      for (const pid of processesWith(mark)) process.kill(pid);
    }
  });

  test("a cancel ends the command and its children, even those that ignore SIGTERM, and the rest of the command is not run", async () => {
    const mark = `local-cancel-${process.pid}-${Date.now()}`;
    const after = join(folder, "after");
    const script = [
      `bash -c 'exec -a ${mark} sleep 300' &`,
      `timeout 300 bash -c 'exec -a ${mark} sleep 300' &`,
      `setsid bash -c 'exec -a ${mark} sleep 300' &`,
      `wait; touch ${after}`,
    ].join("\n");
    const operations = new Operations();
    const running = failure(create({ create: script, interpreter: ["bash", "-c"] }, { operations }));
    await until("all children run", () => processesWith(mark).length >= 3);
    await operations.cancel();
    expect(await running).toBe("cancelled");
    expect(processesWith(mark)).toEqual([]);
    expect(existsSync(after)).toBe(false);
  });

  test("archivePaths follow links to files and folders", async () => {
    const { value } = await create({
      create: "mkdir -p real/in && echo a >real/in/a && ln -s real link && ln -s real/in/a file",
      dir: folder,
      assetPaths: ["**"],
    });
    expect(Object.keys((value as { assets: object }).assets)).toEqual(["file", "link/in/a", "real/in/a"]);
  });

  test("a pipe or a circle of links that archivePaths select is an error that names it; others are ignored", async () => {
    const make = "mkdir -p d && echo a >d/a && mkfifo -m 600 pipe; ln -sfn .. d/up; ln -sfn nothing gone";
    const picked = (archivePaths: string[]): Promise<string> =>
      failure(create({ create: make, dir: folder, archivePaths }, { seconds: 60 }));
    expect(await picked(["pipe"])).toMatch(
      /the patterns pick \S+\/pipe, which is a named pipe; take it away with/,
    );
    expect(await picked(["d/**"])).toMatch(/pick \S+\/d\/up, which is a symbolic link back to a folder/);
    expect(await picked(["g*"])).toMatch(/pick \S+\/gone, which is a symbolic link to nothing/);
    const { value } = await create({
      create: make,
      dir: folder,
      archivePaths: ["**", "!pipe", "!d/up", "!gone"],
    });
    expect(JSON.stringify(value["archive"])).toContain("d/a");
  });

  test("errors name an unknown input, a wrong type and an invalid value, and what is allowed", async () => {
    const { faults } = await localCommand.check(
      properties({ creat: "x", dir: 7, logging: "all", environment: { A: 1 }, interpreter: "bash" }),
    );
    expect(faults.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^there is no input "creat"; the inputs are .*create, delete/),
      "dir must be a string",
      "logging must be one of stdout, stderr, stdoutAndStderr, none",
      "environment must be an object whose values are strings",
      "interpreter must be a list of strings",
    ]);
  });
});
