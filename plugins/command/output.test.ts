/** Storing and logging the output of a process. */
import { jest } from "@jest/globals";
import fc from "fast-check";
import { Output, type Logging } from "./output.ts";
import { redactor } from "./redact.ts";

// This machine may be busy.
jest.setTimeout(60_000);

function collect(logging: Logging, secrets: string[] = []): { output: Output; log: string[] } {
  const log: string[] = [];
  return { output: new Output(logging, redactor(secrets), (text) => void log.push(text)), log };
}

describe("Output", () => {
  test("keeps and logs a complete stream, for any division into chunks", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 200 }),
        fc.integer({ min: 1, max: 7 }),
        (text, size) => {
          const bytes = Buffer.from(text);
          const { output, log } = collect("stdoutAndStderr");
          for (let at = 0; at < bytes.length; at += size)
            output.write("stdout", bytes.subarray(at, at + size));
          output.end();
          expect(output.text("stdout")).toBe(text.replace(/\n$/, ""));
          expect(log.join("\n")).toBe(text.replace(/\n$/, ""));
        },
      ),
    );
  });

  test("logs no secret, for any division into chunks and pieces", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 15_000, max: 17_500 }),
        fc.integer({ min: 1, max: 5000 }),
        (before, size) => {
          const { output, log } = collect("stdout", ["canary-value"]);
          const bytes = Buffer.from(`${"x".repeat(before)}canary-value${"y".repeat(20_000)}`);
          for (let at = 0; at < bytes.length; at += size)
            output.write("stdout", bytes.subarray(at, at + size));
          output.end();
          const text = log.join("");
          expect(text.replace("[secret]", "").replace(/^x+y+$/, "")).toBe("");
          expect(text).toContain("[secret]");
        },
      ),
      { numRuns: 50 },
    );
  });

  test("logs no secret that spans the cut of a long line", () => {
    const secret = "canary-value";
    // A piece has 16 KiB of characters; each secret here has another part of it on either side of one of the first cuts.
    for (const cut of [16 * 1024, 16 * 1024 + secret.length - 1, 2 * 16 * 1024]) {
      for (let before = cut - secret.length - 1; before <= cut + 1; before++) {
        for (const size of [1 << 20, 4096]) {
          const { output, log } = collect("stdout", [secret]);
          const bytes = Buffer.from(`${"x".repeat(before)}${secret}${"y".repeat(3 * 16 * 1024)}`);
          for (let at = 0; at < bytes.length; at += size)
            output.write("stdout", bytes.subarray(at, at + size));
          output.end();
          expect([before, log.join("")]).toEqual([
            before,
            `${"x".repeat(before)}[secret]${"y".repeat(3 * 16 * 1024)}`,
          ]);
        }
      }
    }
  });

  test.each([
    ["stdout", ["out"]],
    ["stderr", ["err"]],
    ["stdoutAndStderr", ["out", "err"]],
    ["none", []],
  ] as const)("logs the streams that %s names, and no other", (logging, lines) => {
    const { output, log } = collect(logging);
    output.write("stdout", Buffer.from("out\n"));
    output.write("stderr", Buffer.from("err\n"));
    output.end();
    expect(log).toEqual(lines);
  });

  test("the tail has the last twenty lines of both streams, with long lines cut and secrets removed", () => {
    const { output } = collect("none", ["canary"]);
    for (let line = 1; line <= 30; line++)
      output.write(line % 2 ? "stdout" : "stderr", Buffer.from(`line ${line}\n`));
    output.write("stderr", Buffer.from(`${"z".repeat(1000)}canary\n`));
    const lines = output.tail().split("\n");
    expect(lines).toHaveLength(20);
    expect(lines[0]).toBe("line 12");
    expect(lines.at(-1)).toMatch(/^…z{492}\[secret\]$/);
  });

  test("the tail of a megabyte of output is its end", () => {
    const { output } = collect("none");
    for (let chunk = 0; chunk < 100; chunk++) output.write("stdout", Buffer.from(`${"w".repeat(9999)}\n`));
    output.write("stdout", Buffer.from("the end\n"));
    expect(output.tail()).toMatch(/w\nthe end$/);
  });
});
