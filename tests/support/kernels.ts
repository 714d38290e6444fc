/** The kernels that a test of machines runs on: DISGRAFS_KERNELS is "all", a comma-separated list, or absent for the default. */
import { localKernelNames, type LocalKernel } from "../../provisioning/kernels.ts";

export function kernelsAskedFor(): LocalKernel[] {
  const asked = process.env.DISGRAFS_KERNELS ?? "debian-13";
  if (asked === "all") return localKernelNames;
  return asked.split(",").map((word) => {
    const name = localKernelNames.find((known) => known === word);
    if (name) return name;
    throw new Error(
      `DISGRAFS_KERNELS: no local kernel ${JSON.stringify(word)}; there are ${localKernelNames.join(", ")}, and "all"`,
    );
  });
}
