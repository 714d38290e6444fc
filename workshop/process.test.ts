import { spawn } from "node:child_process";
import { end, identify, isAlive } from "./process.ts";

describe("a process of ours", () => {
  it("is identified by its pid and its start", () => {
    const me = identify(process.pid)!;
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ ...me, startTicks: "1" })).toBe(false);
    expect(isAlive({ ...me, bootId: "another boot of this machine" })).toBe(false);
  });

  it("is ended even if it ignores SIGTERM", async () => {
    const child = spawn("bash", ["-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const id = identify(child.pid!)!;
    expect(await end(id, 300)).toBe(true);
    expect(isAlive(id)).toBe(false);
  });

  it("is left alone if its pid now belongs to another process", async () => {
    const child = spawn("sleep", ["30"]);
    const id = identify(child.pid!)!;
    try {
      expect(await end({ ...id, startTicks: "1" }, 300)).toBe(true);
      expect(isAlive(id)).toBe(true);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
