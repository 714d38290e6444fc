/** The one table of eBPF extensions: what each needs of a machine, before anything is built or loaded. */
import type { Role } from "../machine.ts";
import { port } from "../ports.ts";
import { kernelNames, localKernelNames, type Kernel } from "../kernels.ts";

/** What preflight.sh can check on a machine. */
export type Need = "btf" | "bpffs" | "cgroup2" | "module";

export interface Extension {
  /** One line for people. */
  readonly title: string;
  /** Kernels of the table that it is made for; elsewhere its verdict is "unsupported". */
  readonly kernels: readonly Kernel[];
  /** Types of its programs, as bpf(2) names them without `BPF_PROG_TYPE_`. */
  readonly programTypes: readonly string[];
  readonly needs: readonly Need[];
  /** Machines that it is for. */
  readonly role: Role;
  /** The loader's options, when the settings give none. Words without spaces; `privateAddress` stands for the machine's own. */
  readonly options: readonly string[];
}

/** An option that stands for the machine's address on the private network. */
export const privateAddress = "PRIVATE-ADDRESS";

/** Where Prometheus' node exporter picks up an extension's metrics (Debian's default folder). */
export function metricsFile(name: string): string {
  return `/var/lib/prometheus/node-exporter/disgrafs-${name}.prom`;
}

export const extensions = {
  "fuse-latency": {
    title: "latency of FUSE requests by mount and opcode, in the queue and in the daemon",
    kernels: kernelNames,
    programTypes: ["TRACING", "KPROBE"],
    needs: ["btf", "bpffs"],
    role: "client",
    options: ["--interval", "15", "--prometheus", metricsFile("fuse-latency")],
  },
  "packet-dma": {
    title: "every packet that an interface receives, copied into a mapped ring and written as pcap",
    kernels: kernelNames,
    programTypes: ["XDP"],
    needs: ["btf", "bpffs"],
    role: "client",
    options: [
      ...["--interface", privateAddress, "--write", "/var/tmp/disgrafs-packet-dma.pcap", "--limit", "64"],
      ...["--interval", "15", "--prometheus", metricsFile("packet-dma")],
    ],
  },
  "redis-sockmap": {
    title: "Redis connections within one node, past TCP from end to end",
    kernels: kernelNames,
    programTypes: ["SOCK_OPS", "SK_MSG", "TRACING"],
    needs: ["btf", "bpffs", "cgroup2"],
    role: "meta",
    options: [
      ...["--cgroup", "/sys/fs/cgroup/system.slice", "--port", String(port("redis"))],
      ...["--interval", "15", "--prometheus", metricsFile("redis-sockmap")],
    ],
  },
  fuse: {
    title: "FUSE requests answered in the kernel while nothing has changed (a kernel module and its agent)",
    // A module is built for a kernel: those of the builder.
    kernels: localKernelNames,
    programTypes: ["RAW_TRACEPOINT_WRITABLE"],
    needs: ["btf", "bpffs", "module"],
    role: "client",
    // All of them follow from the lab: fuse.ts.
    options: [],
  },
} as const satisfies Record<string, Extension>;

export type ExtensionName = keyof typeof extensions;
export const extensionNames = Object.keys(extensions) as ExtensionName[];
