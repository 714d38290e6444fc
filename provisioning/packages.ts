/**
 * The packages installed on every node, for both targets: the local image contains them, an AWS instance installs them at
 * first boot. Debian packages are named here; Python packages are pinned with hashes in requirements.txt.
 */
/** Debian release of the nodes' user land, independent of the kernel. */
export const userland = "trixie";

/** Debian packages, by purpose. */
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
  // Tools for users who log in.
  shell: ["bash-completion", "curl", "iputils-ping", "jq", "less", "netcat-openbsd", "nftables"],
  monitoring: ["prometheus", "prometheus-node-exporter", "prometheus-redis-exporter"],
  measure: ["ethtool", "fio", "strace", "sysstat", "tcc", "tcpdump"],
  extensions: ["bpftool", "libhiredis1.1.0", "libelf1t64"],
  python: ["python3", "python3-venv"],
  // For FalkorDB, which comes from PyPI and brings no libraries.
  graph: ["libgomp1"],
} as const satisfies Record<string, readonly string[]>;

export const debianPackageNames: readonly string[] = Object.values(debianPackages).flat().sort();

/** Path of a node's Python environment: the same interpreter build and Ray version on all nodes. */
export const venv = "/opt/disgrafs/venv";

/** File with `name==version --hash=sha256:...` lines. */
export const requirementsFile = new URL("./requirements.txt", import.meta.url);
