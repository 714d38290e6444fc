/**
 * The names of the node's packages (provisioning/packages.ts) in each image's distribution. A package that is not listed has the
 * same name everywhere; `null` means that this distribution already has it or does not need it.
 */
import { debianPackageNames, debianPackages } from "../../../provisioning/packages.ts";
import type { AwsImageFacts } from "../../../provisioning/kernels.ts";

type Name = (typeof debianPackages)[keyof typeof debianPackages][number];
type Userland = AwsImageFacts["userland"];

const names: Readonly<Record<Userland, Partial<Record<Name, string | null>>>> = {
  trixie: {},
  bookworm: { "libhiredis1.1.0": "libhiredis0.14", libelf1t64: "libelf1" },
  // bpftool is part of a kernel's tools; linux-tools-common alone is only a wrapper.
  noble: { bpftool: "linux-tools-@RELEASE@" },
  al2023: {
    iproute2: "iproute",
    procps: "procps-ng",
    "systemd-sysv": "systemd",
    udev: "systemd-udev",
    "util-linux-extra": "util-linux",
    "redis-server": "redis6",
    "redis-tools": null,
    // Amazon Linux has no Prometheus; the settings reject `monitoring` there.
    prometheus: null,
    "prometheus-node-exporter": null,
    "prometheus-redis-exporter": null,
    // curl-minimal is preinstalled and conflicts with curl.
    curl: null,
    "iputils-ping": "iputils",
    "netcat-openbsd": "nmap-ncat",
    "libhiredis1.1.0": "hiredis",
    libelf1t64: "elfutils-libelf",
    python3: "python3.13",
    "python3-venv": null,
    // Not in Amazon Linux: there, the benchmark's workload compile is INVALID.
    tcc: null,
  },
};

/** Packages to install on an image with this user land, sorted. */
export function nodePackages(userland: Userland): string[] {
  const table: Readonly<Record<string, string | null | undefined>> = names[userland];
  return debianPackageNames
    .map((name) => (table[name] === undefined ? name : table[name]))
    .filter((name) => name !== null)
    .sort();
}
