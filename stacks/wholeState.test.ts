import { whenWhole } from "./wholeState.ts";

describe("reading the state while the engine writes it", () => {
  /** Fails with these messages, then answers. */
  const failing = (...messages: string[]): (() => Promise<string>) => {
    const left = [...messages];
    return () => {
      const message = left.shift();
      return message === undefined ? Promise.resolve("the state") : Promise.reject(new Error(message));
    };
  };
  const met =
    "invocation of pulumi:pulumi:readStackResourceOutputs returned an error: failed to load checkpoint: EOF";

  it("is done again when it met a write", async () => {
    expect(await whenWhole(failing(met, met.replace("EOF", "unexpected EOF")), undefined, 1)).toBe(
      "the state",
    );
  });

  it("ends with any other error, and when the state stays unreadable", async () => {
    await expect(
      whenWhole(failing("failed to load checkpoint: permission denied"), undefined, 1),
    ).rejects.toThrow("permission denied");
    await expect(whenWhole(failing(...Array<string>(50).fill(met)), undefined, 1)).rejects.toThrow("EOF");
  });

  it("also looks at answers that are failures", async () => {
    const answers = [met, "no stack"];
    const read = (): Promise<string | undefined> => Promise.resolve(answers.shift());
    expect(await whenWhole(read, (answer) => answer ?? "", 1)).toBe("no stack");
  });
});
