import { mkdirSync, mkdtempSync, rmSync, existsSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makingRoot } from "./debian.ts";

describe("makingRoot", () => {
  let root: string;
  beforeEach(() => {
    root = join(mkdtempSync(join(tmpdir(), "debian-")), "root");
  });
  afterEach(() => {
    rmSync(join(root, ".."), { recursive: true });
  });
  const remove = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });
  const begin = (): void => {
    mkdirSync(root);
    writeFileSync(join(root, "file"), "");
  };

  it("keeps the root if the work succeeds", async () => {
    const works = (): Promise<void> => {
      begin();
      return Promise.resolve();
    };
    await makingRoot(root, works, remove);
    expect(existsSync(join(root, "file"))).toBe(true);
  });

  it("removes the root if the work fails", async () => {
    const fails = (): Promise<void> => {
      begin();
      return Promise.reject(new Error("no space"));
    };
    await expect(makingRoot(root, fails, remove)).rejects.toThrow("no space");
    expect(existsSync(root)).toBe(false);
  });

  it("ends the work and removes the root on SIGTERM", async () => {
    const listeners = process.listenerCount("SIGTERM");
    const waits = (cancelSignal: AbortSignal): Promise<void> => {
      begin();
      return new Promise((_, reject) => {
        cancelSignal.addEventListener("abort", () => {
          reject(cancelSignal.reason as Error);
        });
        process.emit("SIGTERM", "SIGTERM");
      });
    };
    await expect(makingRoot(root, waits, remove)).rejects.toThrow("ended by SIGTERM");
    expect(existsSync(root)).toBe(false);
    expect(process.listenerCount("SIGTERM")).toBe(listeners);
  });
});
