import * as pulumi from "@pulumi/pulumi";
import { checkOptions } from "./extension.ts";
import { fuseOptions } from "./fuse.ts";
import { extensionsSchema, type FuseSettings } from "./settings.ts";

const settings = (values: object): FuseSettings => extensionsSchema.parse({ fuse: values }).fuse!;
const mount = { mountPoint: "/mnt/jfs", meta: "redis://10.77.0.10:6379/0" };
/** The whole command line, for settings whose words are all known. */
const line = (values: object): string => (fuseOptions(settings(values), mount) as string[]).join(" ");

describe("fuseOptions", () => {
  it("names the mount, its Redis, the file with the password, the bound and the opcodes", () => {
    expect(line({ boundMs: 250, opcodes: ["getattr"] })).toBe(
      "--loader --mount /mnt/jfs --meta redis://10.77.0.10:6379/0 --password-file /etc/disgrafs/redis-password " +
        "--mode lease --bound 250 --opcodes getattr " +
        "--prometheus /var/lib/prometheus/node-exporter/disgrafs-fuse.prom --interval 15",
    );
  });

  it("runs shadow mode under a lease", () => {
    expect(line({ mode: "shadow" })).toContain("--mode lease --shadow ");
  });

  it.each(["lease", "ttl", "shadow", "off"])(
    "has only words that reach the loader as they are: %s",
    (mode) => {
      const words = fuseOptions(settings({ mode }), mount);
      expect(() => checkOptions("fuse", words as string[])).not.toThrow();
    },
  );

  it("takes an address that is not known yet", async () => {
    const words = fuseOptions(settings({}), { ...mount, meta: pulumi.output(mount.meta) });
    const known = await new Promise((resolve) => pulumi.all(words).apply(resolve));
    expect(known).toContain("redis://10.77.0.10:6379/0");
  });
});
