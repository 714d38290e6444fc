/** What QEMU knows about a machine's disks. */
import { join } from "node:path";
import { z } from "zod";
import { machineFolder } from "./paths.ts";
import { qmp } from "./qmp.ts";

const disksSchema = z.array(
  z.object({ stats: z.object({ failed_rd_operations: z.number(), failed_wr_operations: z.number() }) }),
);

/** Requests to a machine's disks that have failed since its QEMU started. Undefined if QEMU does not answer. */
export async function diskErrors(stack: string, name: string): Promise<number | undefined> {
  try {
    const [answer] = await qmp(join(machineFolder(stack, name), "qmp.sock"), ["query-blockstats"], 5000);
    return disksSchema
      .parse(answer)
      .reduce((sum, { stats }) => sum + stats.failed_rd_operations + stats.failed_wr_operations, 0);
  } catch {
    return undefined;
  }
}
