import { leavingOf } from "./leaving.ts";

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
