import * as pulumi from "@pulumi/pulumi";
import { checkOptions } from "../pipeline/options.ts";
import { fuse, type FuseSettings } from "./extension.ts";

const settings = (values: object): FuseSettings => fuse.settings.parse(values);
const mount = {
  mountPoint: "/mnt/jfs",
  meta: "redis://10.77.0.10:6379/0",
  passwordFile: "/etc/disgrafs/redis-password",
  privateAddress: "10.77.0.11",
};
const up = (words: string): string => `./lab up --stack second ${words}`;
/** The command line for these settings. */
const line = (values: object): string => (fuse.options(settings(values), mount) as string[]).join(" ");

describe("the FUSE extension's options", () => {
  it("contain the mount, its Redis, the password file, the bound and the opcodes", () => {
    expect(line({ boundMs: 250, opcodes: ["getattr"] })).toBe(
      "--loader --mount /mnt/jfs --meta redis://10.77.0.10:6379/0 --password-file /etc/disgrafs/redis-password " +
        "--mode lease --bound 250 --opcodes getattr " +
        "--prometheus /var/lib/prometheus/node-exporter/disgrafs-fuse.prom --interval 15",
    );
  });

  it("run shadow mode under a lease", () => {
    expect(line({ mode: "shadow" })).toContain("--mode lease --shadow ");
  });

  it("enable reads only if they are set, and only under a lease", () => {
    expect(line({})).not.toContain("--reads");
    expect(line({ reads: "cache" })).toContain(" --reads cache ");
    expect(line({ reads: "after-pages" })).toContain(" --reads after-pages ");
    const problems = (values: object): string[] =>
      fuse.problems(settings(values), { attrCacheSeconds: 1 }, up);
    expect(problems({ mode: "off", reads: "cache" })).toEqual([
      "extensions.fuse.reads is cache with extensions.fuse.mode off: blocks are read in the kernel only under a lease; " +
        "set the mode to lease, or switch reads off: ./lab up --stack second -c extensions.fuse.reads=off",
    ]);
    expect(fuse.problems(settings({ reads: "cache" }), {}, up)).toEqual([]);
  });

  it("let the kernel keep answers only if that is set, and only under a lease", () => {
    expect(line({})).not.toContain("--kernel-cache");
    expect(line({ kernelCache: true })).toContain(" --kernel-cache on ");
    const problems = (values: object): string[] =>
      fuse.problems(settings(values), { attrCacheSeconds: 1 }, up);
    expect(problems({ mode: "ttl", kernelCache: true })).toEqual([
      "extensions.fuse.kernelCache is true with extensions.fuse.mode ttl: the kernel keeps answers only under a lease; " +
        "set the mode to lease, or switch it off: ./lab up --stack second -c extensions.fuse.kernelCache=false",
    ]);
    expect(fuse.problems(settings({ kernelCache: true }), {}, up)).toEqual([]);
  });

  it.each(["lease", "ttl", "shadow", "off"])("can be passed to the loader without quoting: %s", (mode) => {
    const words = fuse.options(settings({ mode }), mount);
    expect(() => checkOptions("fuse", words as string[])).not.toThrow();
  });

  it("accept an address that is not known yet", async () => {
    const words = fuse.options(settings({}), { ...mount, meta: pulumi.output(mount.meta) });
    const known = await new Promise((resolve) => pulumi.all(words).apply(resolve));
    expect(known).toContain("redis://10.77.0.10:6379/0");
  });
});
