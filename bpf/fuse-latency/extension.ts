/** Description of the extension fuse-latency. */
import { kernelNames } from "../../provisioning/kernels.ts";
import {
  metricsFile,
  plainOptions,
  plainSettings,
  type Extension,
  type PlainSettings,
} from "../extension.ts";

const settings = plainSettings(["--interval", "15", "--prometheus", metricsFile("fuse-latency")]);

export const fuseLatency = {
  title: "latency of FUSE requests by mount and opcode, in the queue and in the daemon",
  kernels: kernelNames,
  programTypes: ["TRACING", "KPROBE"],
  needs: ["btf", "bpffs"],
  role: "client",
  settings,
  options: plainOptions,
} as const satisfies Extension<PlainSettings>;
