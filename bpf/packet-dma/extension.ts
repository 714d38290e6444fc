/** Description of the extension packet-dma. */
import { kernelNames } from "../../provisioning/kernels.ts";
import {
  metricsFile,
  plainOptions,
  plainSettings,
  privateAddress,
  type Extension,
  type PlainSettings,
} from "../extension.ts";

const settings = plainSettings([
  ...["--interface", privateAddress, "--write", "/var/tmp/disgrafs-packet-dma.pcap", "--limit", "64"],
  ...["--interval", "15", "--prometheus", metricsFile("packet-dma")],
]);

export const packetDma = {
  title: "every packet that an interface receives, copied into a mapped ring and written as pcap",
  kernels: kernelNames,
  programTypes: ["XDP"],
  needs: ["btf", "bpffs"],
  role: "client",
  settings,
  options: plainOptions,
} as const satisfies Extension<PlainSettings>;
