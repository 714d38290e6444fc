/** `./lab test`: set-up, then every test. */
import { Command } from "commander";
import { spawnSync } from "node:child_process";
import { apply, environment } from "../environment.ts";
import { root } from "../checkout.ts";
import { setUp } from "../setup/steps.ts";

export const test = new Command("test")
  .description("set this machine up, then run every test")
  .action(async () => {
    await setUp("test", { quiet: true });
    const result = spawnSync("npm", ["test"], {
      cwd: root,
      env: apply(await environment()),
      stdio: "inherit",
    });
    process.exitCode = result.status ?? 1;
  });
