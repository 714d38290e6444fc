/** The queue for the engine's log. */
import { EngineLog } from "./engineLog.ts";

interface Sent {
  readonly severity: string;
  readonly text: string;
}

describe("EngineLog", () => {
  test("keeps the order, and joins waiting messages of the same resource", async () => {
    const sent: Sent[] = [];
    const log = new EngineLog(async ({ severity, text }) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      sent.push({ severity, text });
    });
    log.write("info", "a", "one");
    log.write("info", "a", "two");
    log.write("warning", "a", "three");
    log.write("info", "b", "four");
    await log.flush();
    expect(sent.map(({ text }) => text)).toEqual(["one\ntwo", "three", "four"]);
  });

  test("never makes the writer wait: messages that a stuck engine does not accept are counted and left out", async () => {
    const sent: Sent[] = [];
    let open: (() => void) | undefined;
    const stuck = new Promise<void>((resolve) => (open = resolve));
    const log = new EngineLog(async ({ severity, text }) => {
      await stuck;
      sent.push({ severity, text });
    });
    const line = "x".repeat(16 * 1024);
    for (let count = 0; count < 2000; count++) log.write("info", "a", line);
    open?.();
    await log.flush();
    const last = sent.at(-1)?.text ?? "";
    const left = Number(/^\((\d+) characters of output are not in this log/.exec(last)?.[1]);
    const taken = sent.slice(0, -1).reduce((sum, { text }) => sum + text.replaceAll("\n", "").length, 0);
    expect(taken + left).toBe(2000 * line.length);
    expect(left).toBeGreaterThan(0);
  });
});
