/** Description of the extension redis-sockmap. */
import { kernelNames } from "../../provisioning/kernels.ts";
import { port } from "../../provisioning/ports.ts";
import {
  metricsFile,
  plainOptions,
  plainSettings,
  type Extension,
  type PlainSettings,
} from "../extension.ts";

const settings = plainSettings([
  ...["--cgroup", "/sys/fs/cgroup/system.slice", "--port", String(port("redis"))],
  ...["--interval", "15", "--prometheus", metricsFile("redis-sockmap")],
]);

export const redisSockmap = {
  title: "Redis connections within one node that bypass TCP",
  kernels: kernelNames,
  programTypes: ["SOCK_OPS", "SK_MSG", "TRACING"],
  needs: ["btf", "bpffs", "cgroup2"],
  role: "meta",
  settings,
  options: plainOptions,
} as const satisfies Extension<PlainSettings>;
