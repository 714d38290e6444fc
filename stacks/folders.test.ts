import { folderProblems } from "./folders.ts";

const good = { mountPoint: "/mnt/jfs", cacheDir: "/var/cache/juicefs" };

describe("folderProblems", () => {
  it.each([
    [good],
    [{ mountPoint: "/jfs", cacheDir: "/data/cache" }],
    [{ mountPoint: "/srv/volume", cacheDir: "/mnt/nvme/cache" }],
    // The name of one only begins with the other's.
    [{ mountPoint: "/mnt/jfs", cacheDir: "/mnt/jfs-cache" }],
    [{ mountPoint: "/usr2/x", cacheDir: "/etcetera" }],
  ])("accepts separate folders: %j", (folders) => {
    expect(folderProblems(folders)).toEqual([]);
  });

  it.each([
    ["/usr", "the machine's own"],
    ["/etc/x", "the machine's own"],
    ["/var/lib/redis", "the machine's own"],
    ["/var/lib/weed/cache", "the machine's own"],
    ["/opt/disgrafs/x", "the machine's own"],
    ["/proc/1", "the machine's own"],
    ["/mnt/../etc", '".."'],
    ["/mnt/./x", '"."'],
    ["/mnt", "other things are in there"],
    ["/var/cache", "other things are in there"],
    ["/home", "other things are in there"],
    ["/media", "other things are in there"],
    ["/opt", "other things are in there"],
    ["/srv", "other things are in there"],
    ["/var", "other things are in there"],
    ["/var/tmp", "other things are in there"],
    ["/var/spool/cron", "the machine's own"],
  ])("refuses %s for both, with the reason", (path, why) => {
    const mount = folderProblems({ ...good, mountPoint: path });
    expect(mount).toHaveLength(1);
    expect(mount[0]).toContain(`juicefs.mountPoint is ${path}: `);
    expect(mount[0]).toContain(why);
    expect(mount[0]).toMatch(/ \/mnt\/jfs$/);
    const cache = folderProblems({ ...good, cacheDir: path });
    expect(cache[0]).toContain(`juicefs.cacheDir is ${path}: `);
    expect(cache[0]).toMatch(/ \/var\/cache\/juicefs$/);
  });

  it.each([
    { mountPoint: "/mnt/jfs", cacheDir: "/mnt/jfs" },
    { mountPoint: "/mnt/jfs", cacheDir: "/mnt/jfs/cache" },
    { mountPoint: "/data/cache/mount", cacheDir: "/data/cache" },
  ])("refuses one folder inside the other: %j", (folders) => {
    expect(folderProblems(folders)).toEqual([
      expect.stringMatching(/neither may be in the other.* \/mnt\/jfs and \/var\/cache\/juicefs$/),
    ]);
  });
});
