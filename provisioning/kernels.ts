/**
 * The one table of kernels that a lab can run. `release` is what `uname -r` must match after boot. The local image takes
 * the package from `suite`; a capability is a fact about the kernel's build, checked against its config when baked.
 */
export interface KernelFacts {
  /** For people: distribution and version. */
  readonly title: string;
  /** Debian suite that holds the packages. */
  readonly suite: "bookworm" | "trixie" | "trixie-backports";
  /** Package with the kernel. */
  readonly image: string;
  /** Package with what a module build needs. */
  readonly headers: string;
  /** `uname -r` of the running machine. */
  readonly release: RegExp;
  /** FUSE built in (`y`) or a module (`m`). */
  readonly fuse: "y" | "m";
}

export const kernels = {
  "debian-12": {
    title: "Debian 12, Linux 6.1",
    suite: "bookworm",
    image: "linux-image-cloud-amd64",
    headers: "linux-headers-cloud-amd64",
    release: /^6\.1\.\d+-\d+-cloud-amd64$/,
    fuse: "m",
  },
  "debian-13": {
    title: "Debian 13, Linux 6.12",
    suite: "trixie",
    image: "linux-image-cloud-amd64",
    headers: "linux-headers-cloud-amd64",
    release: /^6\.12\.\d+\+deb13-cloud-amd64$/,
    fuse: "y",
  },
  "debian-13-backports": {
    title: "Debian 13 with the backported Linux 7",
    suite: "trixie-backports",
    image: "linux-image-cloud-amd64",
    headers: "linux-headers-cloud-amd64",
    release: /^7\.\d+\.\d+\+deb13(\.\d+)?-cloud-amd64$/,
    fuse: "y",
  },
} as const satisfies Record<string, KernelFacts>;

export type Kernel = keyof typeof kernels;
export const kernelNames = Object.keys(kernels) as Kernel[];
