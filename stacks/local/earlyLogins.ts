/**
 * Logins to all running machines of a stack that start before the engine does. When the program then asks each machine whether
 * it was rebooted, in another process, it finds an open connection, and asking over that takes a tenth of the time of a login.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { machineFolder, stackFolder } from "./paths.ts";
import { mendSshConfig, runningVm, sshWords } from "./vm.ts";

export interface EarlyLogin {
  readonly machine: string;
  /** Whether the machine's clock counts instructions. */
  readonly ownClock: boolean;
  /** Runs a command that prints one line, and returns the line; undefined if there is no login, or no longer. */
  ask(command: string): Promise<string | undefined>;
  /** Also happens when this process ends in any way, and after a minute. */
  end(): void;
}

export async function logInEarly(stack: string): Promise<EarlyLogin[]> {
  const folder = join(stackFolder(stack), "machines");
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const running = names.filter((name) => runningVm(stack, name));
  await Promise.all(running.map((name) => mendSshConfig(stack, name)));
  return running.map((name) => logIn(stack, name));
}

function logIn(stack: string, machine: string): EarlyLogin {
  const shape = JSON.parse(runningVm(stack, machine)?.shape ?? "{}") as { clock?: string };
  // The shell reads commands from our pipe, so it also ends if this process is killed.
  const words = [...sshWords(stack, machine, 30), "-o", "ControlMaster=auto", machine, "exec sh"];
  const child = execa("ssh", words, {
    cwd: machineFolder(stack, machine),
    timeout: 60_000,
    reject: false,
    buffer: false,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  child.stdin.on("error", () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    machine,
    ownClock: shape.clock === "instructions",
    ask: async (command) => {
      child.stdin.write(`${command}\n`);
      const next = await lines.next();
      return next.done ? undefined : next.value;
    },
    end: () => {
      child.stdin.end();
      child.kill();
    },
  };
}
