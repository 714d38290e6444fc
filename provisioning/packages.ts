/**
 * What is installed on every node, for both targets: the local image bakes this list, an AWS instance installs it at
 * first boot. Debian packages are named here; Python packages are pinned with hashes in requirements.txt.
 */
/** Debian release of the nodes' user land, whatever kernel runs below it. */
export const userland = "trixie";

/** Debian packages, by what they are for. */
export const debianPackages = {
  system: [
    "ca-certificates",
    "iproute2",
    "kmod",
    "openssh-server",
    "procps",
    "psmisc",
    "systemd-sysv",
    "udev",
  ],
  files: ["attr", "fuse3", "util-linux-extra"],
  services: ["redis-server", "redis-tools"],
  // `less` and friends are for the person who logs in at night.
  shell: ["bash-completion", "curl", "iputils-ping", "jq", "less", "netcat-openbsd", "nftables"],
  monitoring: ["prometheus", "prometheus-node-exporter", "prometheus-redis-exporter"],
  measure: ["ethtool", "fio", "strace", "sysstat", "tcpdump"],
  extensions: ["bpftool", "libhiredis1.1.0", "libelf1t64"],
  python: ["python3", "python3-venv"],
  // For FalkorDB, which comes from PyPI and brings no libraries.
  graph: ["libgomp1"],
} as const satisfies Record<string, readonly string[]>;

export const debianPackageNames: readonly string[] = Object.values(debianPackages).flat().sort();

/** Where the Python environment of a node is: one interpreter build and one Ray for all nodes. */
export const venv = "/opt/disgrafs/venv";

/** File with `name==version --hash=sha256:...` lines. */
export const requirementsFile = new URL("./requirements.txt", import.meta.url);
