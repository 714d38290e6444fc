import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { inCheckout } from "../../workshop/checkout.ts";
import { benchmarkFolder, excludeList } from "./disgrafs.ts";

describe("the directories that DisGraFS leaves out", () => {
  it("are percent-encoded: a unit's environment file takes them without quotes, and Python gets the names back", () => {
    const names = ["node_modules", 'it\'s "50 %"', "a\\b $HOME #(*)", "größe", "~"];
    const list = excludeList(names);
    expect(list).toMatch(/^[\w.~%/-]+$/);
    const decode =
      "import sys, urllib.parse; print([urllib.parse.unquote(x) for x in sys.argv[1].split('/')] == sys.argv[2:])";
    expect(execFileSync("python3", ["-c", decode, list, ...names], { encoding: "utf8" })).toBe("True\n");
  });

  it("include the benchmark's data", () => {
    const folders = readFileSync(inCheckout("benchmarks/runner/disgrafs_benchmark/folders.py"), "utf8");
    expect(folders).toContain(`DATA_FOLDER = "${benchmarkFolder}"`);
  });
});
