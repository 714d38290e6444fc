/** Installs sets of Python packages with pinned versions and hashes, each in a virtual environment under `.lab`. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { inCheckout, inLab } from "../../workshop/checkout.ts";
import { Problem } from "../problem.ts";
import type { Step } from "./runner.ts";

/** The distribution's Python: the pinned packages support 3.11 to 3.13, the versions of the supported distributions. */
const python = "/usr/bin/python3";

/** Folder of the development tools: ruff, pytest, moto. */
export const devVenv = inLab("venv");
const devRequirements = inCheckout("tools", "requirements-dev.txt");

/** True if a virtual environment matches the current requirements file. */
export function venvIsReady(folder: string, requirements: string): boolean {
  const stamp = join(folder, "stamp");
  // A venv points to its Python by path: an upgrade of the distribution leaves it dangling.
  return (
    existsSync(join(folder, "bin", "python")) &&
    existsSync(stamp) &&
    readFileSync(stamp, "utf8") === fingerprint(folder, requirements)
  );
}

/** Creates a virtual environment with exactly the packages of a requirements file. */
export async function pythonVenv(
  folder: string,
  requirements: string,
  progress: (text: string) => void,
): Promise<void> {
  if (venvIsReady(folder, requirements)) return;
  await rm(folder, { recursive: true, force: true });
  await run(python, ["-m", "venv", folder], progress);
  const pip = [
    "-m",
    "pip",
    "install",
    "--require-hashes",
    "--no-input",
    "--disable-pip-version-check",
    "--no-cache-dir",
  ];
  await run(join(folder, "bin", "python"), [...pip, "-r", requirements], progress);
  writeFileSync(join(folder, "stamp"), fingerprint(folder, requirements));
}

async function run(
  command: string,
  args: readonly string[],
  progress: (text: string) => void,
): Promise<void> {
  const child = execa(command, args, { stdin: "ignore", all: true, reject: false });
  child.all.on("data", (chunk: Buffer) => progress(chunk.toString()));
  const result = await child;
  if (result.failed) {
    throw new Problem(
      `${command} ${args.join(" ")} failed:\n${result.all.split("\n").slice(-12).join("\n")}`,
    );
  }
}

function fingerprint(folder: string, requirements: string): string {
  return createHash("sha256").update(folder).update(readFileSync(requirements)).digest("hex");
}

export function devToolsStep(): Step {
  return {
    name: "Python tools",
    check: () =>
      venvIsReady(devVenv, devRequirements)
        ? { done: true, detail: ".lab/venv: ruff, pytest, moto" }
        : { done: false, plan: "pip install --require-hashes tools/requirements-dev.txt into .lab/venv" },
    run: (progress) => pythonVenv(devVenv, devRequirements, progress),
  };
}
