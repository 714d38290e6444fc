/** What a machine whose clock counts instructions needs besides the clock. */
import type { BootFile } from "../../provisioning/cloudInit.ts";
import type { VmSpec } from "./vm.ts";

/** Files for the first boot of a machine with that clock. */
export function clockFiles(clock: VmSpec["clock"]): BootFile[] {
  if (clock === "wall") return [];
  const content =
    "# The clock of a machine that waits jumps to its next timer: two minutes for a login are over at once.\n" +
    "LoginGraceTime 0\n";
  return [{ path: "/etc/ssh/sshd_config.d/clock.conf", content }];
}
