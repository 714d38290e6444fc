/**
 * The table of kernels that a lab can run. `uname -r` must match `release` after boot. A local image installs the package from
 * `suite`; its facts about the kernel's build are checked against the kernel's config when the image is baked. On AWS the
 * machine image named by `aws` determines the kernel.
 */
export interface KernelFacts {
  /** Distribution and version, for display. */
  readonly title: string;
  /** `uname -r` of the running machine. */
  readonly release: RegExp;
  /** FUSE built in (`y`) or a module (`m`). */
  readonly fuse: "y" | "m";
  /** The public machine image that boots it on EC2. */
  readonly aws: AwsImageFacts;
}

/** A kernel that the local image can be baked with. */
export interface LocalKernelFacts extends KernelFacts {
  /** Debian suite that holds the packages. */
  readonly suite: "bookworm" | "trixie" | "trixie-backports";
  /** Package with the kernel. */
  readonly image: string;
  /** Package needed to build modules. */
  readonly headers: string;
}

/** How to find a public x86-64 image, and the image's login user, package manager and user land. */
export interface AwsImageFacts {
  /** The newest image of this owner (account number) whose name matches, or the image that a public SSM parameter names. */
  readonly find: { readonly owner: string; readonly name: string } | { readonly parameter: string };
  /** Login user created by the image's cloud-init; it can use sudo without a password. */
  readonly user: string;
  readonly packages: "apt" | "dnf";
  /** User land of the image: determines package names and the Python version. */
  readonly userland: "bookworm" | "trixie" | "noble" | "al2023";
}

// Debian's image account and names: wiki.debian.org/Cloud/AmazonEC2Image. "debian-13-amd64-*" leaves the backports out.
const debianOwner = "136693071363";
const debian = (version: string, userland: "bookworm" | "trixie") =>
  ({
    find: { owner: debianOwner, name: `debian-${version}-amd64-*` },
    user: "admin",
    packages: "apt",
    userland,
  }) as const;

export const kernels = {
  "debian-12": {
    title: "Debian 12, Linux 6.1",
    suite: "bookworm",
    image: "linux-image-cloud-amd64",
    headers: "linux-headers-cloud-amd64",
    release: /^6\.1\.\d+-\d+-cloud-amd64$/,
    fuse: "m",
    aws: debian("12", "bookworm"),
  },
  "debian-13": {
    title: "Debian 13, Linux 6.12",
    suite: "trixie",
    image: "linux-image-cloud-amd64",
    headers: "linux-headers-cloud-amd64",
    release: /^6\.12\.\d+\+deb13-cloud-amd64$/,
    fuse: "y",
    aws: debian("13", "trixie"),
  },
  "debian-13-backports": {
    title: "Debian 13 with the backported Linux 7",
    suite: "trixie-backports",
    image: "linux-image-cloud-amd64",
    headers: "linux-headers-cloud-amd64",
    release: /^7\.\d+\.\d+\+deb13(\.\d+)?-cloud-amd64$/,
    fuse: "y",
    aws: debian("13-backports", "trixie"),
  },
  "ubuntu-24.04": {
    title: "Ubuntu 24.04 with its rolling AWS kernel",
    release: /^[67]\.\d+\.0-\d+-aws$/,
    fuse: "y",
    aws: {
      find: { owner: "099720109477", name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*" },
      user: "ubuntu",
      packages: "apt",
      userland: "noble",
    },
  },
  "amazon-linux-2023": {
    // The parameter with the kernel's version in its name: "kernel-default" moves on by a version every June.
    title: "Amazon Linux 2023, Linux 6.12",
    release: /^6\.12\.\d+-[\d.]+\.amzn2023\.x86_64$/,
    fuse: "m",
    aws: {
      find: { parameter: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-x86_64" },
      user: "ec2-user",
      packages: "dnf",
      userland: "al2023",
    },
  },
} as const satisfies Record<string, KernelFacts | LocalKernelFacts>;

export type Kernel = keyof typeof kernels;
export const kernelNames = Object.keys(kernels) as Kernel[];

/** The kernels that the local target supports. */
export type LocalKernel = { [K in Kernel]: (typeof kernels)[K] extends LocalKernelFacts ? K : never }[Kernel];

export function isLocalKernel(kernel: Kernel): kernel is LocalKernel {
  return "suite" in kernels[kernel];
}
export const localKernelNames = kernelNames.filter(isLocalKernel);
