import { leavingOf, whenWhole } from "./leaving.ts";

const urn = (types: string, name: string): string => `urn:pulumi:local::disgrafs-lab::${types}::${name}`;
const benchmark = "disgrafs:benchmarks:Benchmark";

describe("what an update removes", () => {
  it("is what the program has not made, by the name of the whole", () => {
    const urns = [
      urn("pulumi:pulumi:Stack", "disgrafs-lab-local"),
      urn("pulumi:providers:command", "default_1_2_1"),
      urn("disgrafs:provisioning:Redis", "redis"),
      urn("disgrafs:provisioning:Redis$command:remote:Command", "redis-start"),
      urn("disgrafs:provisioning:Disgrafs", "disgrafs"),
      urn("disgrafs:provisioning:Disgrafs$command:remote:Command", "disgrafs-start"),
      urn("command:local:Command", "strange::name"),
    ];
    const made = new Set(["disgrafs:provisioning:Redis::redis", "command:remote:Command::redis-start"]);
    expect(leavingOf(urns, made, benchmark)).toEqual(["disgrafs", "strange::name"]);
    made.add("command:local:Command::strange::name");
    expect(leavingOf(urns, made, benchmark)).toEqual(["disgrafs"]);
    made.add("disgrafs:provisioning:Disgrafs::disgrafs");
    expect(leavingOf(urns, made, benchmark)).toEqual(["disgrafs-start"]);
  });

  it("is not of an equal name of another type", () => {
    const made = new Set(["command:local:Command::x"]);
    expect(leavingOf([urn("command:remote:Command", "x")], made, benchmark)).toEqual(["x"]);
  });

  it("leaves out the component that asks", () => {
    const urns = [
      urn(benchmark, "benchmark"),
      urn(`${benchmark}$command:remote:Command`, "benchmark-run-1"),
      urn(`${benchmark}$disgrafs:provisioning:RemoteStep$command:remote:Command`, "benchmark-plan"),
    ];
    expect(leavingOf(urns, new Set(), benchmark)).toEqual([]);
  });
});

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
    expect(await whenWhole(failing(met, met.replace("EOF", "unexpected EOF")), 1)).toBe("the state");
  });

  it("ends with any other error, and when the state stays unreadable", async () => {
    await expect(whenWhole(failing("failed to load checkpoint: permission denied"), 1)).rejects.toThrow(
      "permission denied",
    );
    await expect(whenWhole(failing(...Array<string>(50).fill(met)), 1)).rejects.toThrow("EOF");
  });
});
