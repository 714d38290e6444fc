/** Runs a command on the remote machine, and reliably ends it if it must stop. */
import { abortReason, ConnectionLost, StepError, type Exit } from "../errors.ts";
import { heldOpen, longestAfterExit, quietAfterExit } from "../localProcess.ts";
import type { Output } from "../output.ts";
import type { RemoteProcess, Session } from "./session.ts";

export interface RemoteCommandLine {
  /** Text for the login shell. */
  readonly command: string;
  /** Sent before the command; a server that does not accept a name ignores it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Time limit in milliseconds for a process to end after SSH's signals, if it cannot be found in /proc. */
const signalGrace = 5000;

/** Runs a command on a session. If the signal is aborted, it ends the processes, then rejects. */
export async function runRemotely(
  session: Session,
  line: RemoteCommandLine,
  output: Output,
  signal: AbortSignal,
  warn: (text: string) => void,
): Promise<Exit> {
  const running = await session.exec(line.command, line.environment, signal);
  const { channel } = running;
  return await new Promise((resolve, reject) => {
    let quiet: NodeJS.Timeout | undefined;
    let longest: NodeJS.Timeout | undefined;
    let stopping = false;

    const finish = (outcome: () => void): void => {
      clearTimeout(quiet);
      clearTimeout(longest);
      signal.removeEventListener("abort", stop);
      output.end();
      outcome();
    };
    const leave = (): void => {
      if (!stopping) warn(heldOpen);
      channel.close();
    };
    const waitForQuiet = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(leave, quietAfterExit);
    };
    const stop = (): void => {
      if (running.exit()) {
        channel.close();
        finish(() => reject(abortReason(signal)));
        return;
      }
      stopping = true;
      void end(running, session).then((rest) => {
        channel.close();
        finish(() => reject(withRest(abortReason(signal), rest)));
      });
    };
    const read = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
      output.write(stream, chunk);
      if (running.exit()) waitForQuiet();
    };
    const exited = (): void => {
      longest = setTimeout(leave, longestAfterExit);
      waitForQuiet();
    };

    channel.on("data", read("stdout"));
    channel.stderr.on("data", read("stderr"));
    channel.on("error", () => undefined); // "close" follows.
    if (running.exit()) exited();
    else channel.on("exit", exited);
    channel.on("close", () => {
      if (stopping) return;
      const exit = running.exit();
      finish(() => {
        if (exit) resolve(exit);
        else reject(new ConnectionLost(lost(session.why), true));
      });
    });
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    else channel.end(line.stdin ?? "");
  });
}

const lost = (why: string): string =>
  `the SSH connection was lost while the command ran (${why}), so how it ended is not known and it may still run ` +
  "there; has the machine stopped, or rebooted?";

/** Ends a process on the remote machine; returns a description of what is left, if anything. */
async function end(running: RemoteProcess, session: Session): Promise<string | undefined> {
  try {
    const left = await running.kill();
    if (left.length === 0) return undefined;
    return `these processes could not be ended on the machine: ${left.join(", ")}`;
  } catch {
    if (session.closed) return "the connection is lost, so its processes may still run on the machine";
    return await endBySignals(running);
  }
}

/** Ends a process by SSH's own signal requests, which reach the process group if it is the login user's. */
async function endBySignals({ channel }: RemoteProcess): Promise<string | undefined> {
  const closed = new Promise<boolean>((resolve) => channel.once("close", () => resolve(true)));
  for (const name of ["TERM", "KILL"] as const) {
    channel.signal(name);
    const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), signalGrace));
    if (await Promise.race([closed, late])) return undefined;
  }
  return "its processes may still run on the machine";
}

function withRest(reason: Error, rest: string | undefined): Error {
  return rest === undefined ? reason : new StepError(`${reason.message}; ${rest}`);
}
