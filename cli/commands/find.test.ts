import { spawnSync } from "node:child_process";
import { findCommand, finder } from "./find.ts";

const nodes = [
  { name: "meta", roles: ["meta"], kernel: "6.12", ssh: "ssh meta" },
  { name: "node1", roles: ["client", "ray-head"], kernel: "6.12", ssh: "ssh node1" },
];

describe("./lab find", () => {
  it("should run on the node that has the API", () => {
    expect(finder("local", { nodes, disgrafs: { page: "10.0.0.2:8088" } }).name).toBe("node1");
  });

  it("should give advice if there is no lab, or if it has no DisGraFS", () => {
    expect(() => finder("local", undefined)).toThrow("run ./lab up --stack local");
    expect(() => finder("local", { nodes, disgrafs: null })).toThrow(
      "./lab up --stack local -c disgrafs=true",
    );
  });

  it("should pass each word to the node's shell unchanged", () => {
    const words = ["tag:ice core", "it's", "$(id)", "`id`", "; reboot", "*", "größe\n"];
    // `disgrafs` of this shell prints its arguments; root needs no sudo.
    const shell = `id() { echo 0; }; disgrafs() { printf '%s\\0' "$@"; }; ${findCommand(words)}`;
    const { stdout } = spawnSync("bash", ["-c", shell], { encoding: "utf8" });
    expect(stdout.split("\0")).toEqual(["find", ...words, ""]);
  });
});
