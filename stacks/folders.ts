/**
 * Checks a client's mount point and cache folder. The lab mounts over one, and fills and later empties the other. Neither may
 * be a folder that the machine itself needs, nor lie inside the other.
 */
import { normalize } from "node:path";

interface Folders {
  readonly mountPoint: string;
  readonly cacheDir: string;
}

/** Folders of the system, including everything below them. */
const system = [
  ...[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/root",
    "/run",
    "/sbin",
  ],
  ...[
    "/sys",
    "/tmp",
    "/usr",
    "/opt/disgrafs",
    "/var/backups",
    "/var/lib",
    "/var/local",
    "/var/lock",
    "/var/log",
  ],
  ...["/var/mail", "/var/opt", "/var/run", "/var/spool", "/var/www", "/var/cache/apt", "/var/cache/debconf"],
];

/** Shared parent folders: a folder below them is allowed. */
const shared = ["/home", "/media", "/mnt", "/opt", "/srv", "/var", "/var/cache", "/var/tmp"];

/** The problems, one line each; empty if there are none. */
export function folderProblems({ mountPoint, cacheDir }: Folders): string[] {
  const each = Object.entries({ mountPoint, cacheDir }).flatMap(([key, path]) => {
    const why = fault(path);
    const example = key === "mountPoint" ? "/mnt/jfs" : "/var/cache/juicefs";
    return why === undefined
      ? []
      : [`juicefs.${key} is ${path}: ${why}; take a folder of its own, as ${example}`];
  });
  if (each.length > 0) return each;
  if (!isIn(mountPoint, cacheDir) && !isIn(cacheDir, mountPoint)) return [];
  return [
    `juicefs.mountPoint is ${mountPoint} and juicefs.cacheDir is ${cacheDir}: neither may be in the other, as the cache ` +
      `of a volume cannot be kept on that volume; take /mnt/jfs and /var/cache/juicefs`,
  ];
}

function fault(path: string): string | undefined {
  if (normalize(path) !== path) return `it has "." or ".." in it`;
  if (system.some((folder) => isIn(path, folder))) return "that is the machine's own";
  if (shared.includes(path)) return "other things are in there";
  return undefined;
}

function isIn(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(`${outer}/`);
}
