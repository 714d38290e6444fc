/** A mount that writes back and is changed while blocks wait for upload, of which none may be lost. */
import { nodeScript } from "../../tests/support/nodeScript.ts";
import { startTestVm, type TestVm } from "../../tests/support/vm.ts";

const meta = "redis://127.0.0.1:6379/0";
const mountPoint = "/mnt/jfs";
const mount = (cacheFolder: string): string =>
  nodeScript("juicefs/mount.sh", [meta, mountPoint, cacheFolder, "127.0.0.1:9567", "", "--writeback"]);

describe("a mount that writes back", () => {
  let vm: TestVm;
  beforeAll(async () => {
    vm = await startTestVm({ name: "writeback", cpus: 1 });
    await vm.check(nodeScript("redis/start.sh", ["127.0.0.1", "6379"], ["canary-password"]));
    await vm.check(nodeScript("juicefs/format.sh", [meta, "test", "file", "/var/bucket/"], ["", ""]));
    await vm.check(mount("/var/cache/first"), 400);
  }, 1_500_000);
  afterAll(async () => {
    expect(await vm.stop()).toEqual([]);
  }, 600_000);

  it("does not change its cache folder while blocks wait for upload", async () => {
    // The store's folder is read-only, so it accepts nothing.
    await vm.check(`mount --bind -o ro /var/bucket /var/bucket
      head -c 3000000 /dev/urandom | tee /run/want >${mountPoint}/file`);
    // A lab waits longer, because JuiceFS retries a failed upload once a minute. Here, no retry would succeed.
    const refused = await vm.run(mount("/var/cache/second").replace("-gt 90", "-gt 10"), 400);
    expect(`${refused.exitCode} ${refused.stderr}`).toMatch(
      /^1 .*blocks below .var.cache.first are waiting for upload/s,
    );
    expect(await vm.check(`cat /proc/$(pgrep -xo juicefs)/cmdline | tr '\\0' ' '`)).toContain(
      "/var/cache/first",
    );
    await vm.check(`cmp /run/want ${mountPoint}/file`);
  }, 600_000);

  it("changes its cache folder after all blocks have been uploaded", async () => {
    await vm.check("umount /var/bucket");
    await vm.check(mount("/var/cache/second"), 400);
    expect(await vm.check(`cat /proc/$(pgrep -xo juicefs)/cmdline | tr '\\0' ' '`)).toContain(
      "/var/cache/second",
    );
    expect(await vm.check("find /var/cache/first -path '*/rawstaging/*' -type f")).toBe("");
    await vm.check(`cmp /run/want ${mountPoint}/file`);
  }, 600_000);
});
