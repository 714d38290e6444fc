/** Settings of a stack with a real Pulumi CLI: invalid ones are not stored. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepSettings, keptSettings } from "./keepSettings.ts";
import { Pulumi } from "./pulumi.ts";

describe("keepSettings", () => {
  const project = mkdtempSync(join(tmpdir(), "lab settings "));
  const file = join(project, "Pulumi.second.yaml");
  let pulumi: Pulumi;
  beforeAll(async () => {
    mkdirSync(join(project, "state"));
    writeFileSync(join(project, "Pulumi.yaml"), "name: disgrafs-lab\nruntime: nodejs\n");
    const set = {
      PULUMI_HOME: join(project, "home"),
      PULUMI_BACKEND_URL: `file://${join(project, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "x",
      PULUMI_SKIP_UPDATE_CHECK: "1",
    };
    pulumi = new Pulumi({ backend: "checkout", set, unset: [], notes: [] }, "second", project);
    await pulumi.select();
  }, 400_000);
  afterAll(() => rmSync(project, { recursive: true }));

  it("keeps valid settings, also in objects, and removes them again", async () => {
    await keepSettings(pulumi, { set: ["topology=single", "juicefs.attrCacheSeconds=5"], unset: [] });
    expect(readFileSync(file, "utf8")).toMatch(/topology: single/);
    expect(readFileSync(file, "utf8")).toMatch(/attrCacheSeconds: 5/);
    await keepSettings(pulumi, { set: [], unset: ["topology"] });
    expect(readFileSync(file, "utf8")).not.toContain("topology");
  }, 400_000);

  it("removes a setting that is not there, and gives the kept ones", async () => {
    await keepSettings(pulumi, {
      set: ["benchmarkRows=*", "benchmarkArms=nocache,ttl-long"],
      unset: ["benchmarkMarginPercent"],
    });
    expect(await keptSettings(pulumi)).toEqual({
      benchmarkRows: "*",
      benchmarkArms: "nocache,ttl-long",
      juicefs: { attrCacheSeconds: 5 },
    });
    await keepSettings(pulumi, { set: [], unset: ["benchmarkRows", "benchmarkArms"] });
    expect(await keptSettings(pulumi)).toEqual({ juicefs: { attrCacheSeconds: 5 } });
  }, 400_000);

  it("names the stack in the command that removes a mistyped setting", async () => {
    await expect(keepSettings(pulumi, { set: ["topologie=single"], unset: [] })).rejects.toThrow(
      "Remove it with: ./lab up --stack second --unset topologie",
    );
  }, 400_000);

  it.each(["topologie=single", "topology=sinlge", "juicefs.cacheDir=/etc"])(
    "keeps no invalid settings, and reports the reason: %s",
    async (setting) => {
      const before = readFileSync(file, "utf8");
      await expect(keepSettings(pulumi, { set: ["seed=7", setting], unset: [] })).rejects.toThrow(
        "Nothing was changed",
      );
      expect(readFileSync(file, "utf8")).toBe(before);
      expect(readdirSync(project).filter((name) => name.startsWith(".new"))).toEqual([]);
      expect(existsSync(file)).toBe(true);
    },
    400_000,
  );
});
