import { spawn } from "node:child_process";
import { end, identify, isAlive } from "./process.ts";

describe("a process of ours", () => {
  it("is known by more than its pid", () => {
    const me = identify(process.pid)!;
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ ...me, startTicks: "1" })).toBe(false);
    expect(isAlive({ ...me, bootId: "another boot of this machine" })).toBe(false);
  });

  it("is ended though it ignores TERM", async () => {
    const child = spawn("bash", ["-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const id = identify(child.pid!)!;
    expect(await end(id, 300)).toBe(true);
    expect(isAlive(id)).toBe(false);
  });

  it("that is somebody else's by now is left alone", async () => {
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
