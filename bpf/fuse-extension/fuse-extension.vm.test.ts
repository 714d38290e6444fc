/**
 * The FUSE extension on one local VM: every rule with the fault that takes it away, a hostile program, load and unload,
 * then JuiceFS and the checker. Each line of TAP that the scripts in tests/ print is a test here.
 *
 * Longer: EFUSE_CYCLES (loads, default 20), EFUSE_FUZZ_SECONDS (10), EFUSE_CHECK_SECONDS (20) and EFUSE_KERNEL
 * (default debian-13).
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureExtensions } from "../../stacks/local/builder.ts";
import { localKernelNames, type LocalKernel } from "../../provisioning/kernels.ts";
import { startTestVm, type TestVm } from "../../tests/support/vm.ts";
