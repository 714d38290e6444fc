/** A copy of the checkout for a test, with a program that creates one machine without services. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { cacheFolder, inCheckout, nodeFolder } from "../../workshop/checkout.ts";
import { findPulumi } from "./pulumi.ts";

export interface Run {
  readonly exitCode: number;
  readonly output: string;
}

const program = `import * as pulumi from "@pulumi/pulumi";
import { localMachines } from "./stacks/local/index.ts";
const size = { cpus: 1, memoryMiB: 512, diskGiB: 20 };
const settings = { kernel: "debian-13", accelerator: "tcg", clock: "wall" } as const;
const machines = localMachines(settings, [{ name: "m", roles: ["meta"], ...size }]);
export const nodes = machines.map(({ name, roles, id, sshCommand }) => ({ name, roles, id, kernel: "", ssh: sshCommand }));
`;

/** Copies the files of this checkout that git tracks or would add to `folder`, and links its packages. */
export function copyCheckout(folder: string): void {
  const list = spawnSync(
    "git",
    [
      "ls-files",
      "-z",
      "-co",
      "--exclude-standard",
      "cli",
      "plugins",
      "provisioning",
      "stacks",
      "workshop",
      "benchmarks",
      "bpf",
      "package.json",
      "Pulumi.yaml",
    ],
    {
      cwd: inCheckout(),
      encoding: "utf8",
    },
  );
  for (const file of list.stdout.split("\0").filter((name) => name !== "" && !name.endsWith(".test.ts"))) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    cpSync(inCheckout(file), join(folder, file));
  }
  symlinkSync(inCheckout("node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "index.ts"), program);
}

/** The environment of a user who has only this checkout. */
export function environment(folder: string): NodeJS.ProcessEnv {
  const keep = ["LANG", "TMPDIR", "USER", "TERM"].map((name) => [name, process.env[name]] as const);
  return {
    ...Object.fromEntries(keep),
    HOME: folder,
    PATH: [nodeFolder, dirname(findPulumi()), process.env.PATH].join(":"),
    DISGRAFS_CACHE: cacheFolder,
  };
}

/** Runs `./lab` of a copied checkout, without its set-up. */
export function labIn(folder: string, ...args: string[]): Promise<Run> {
  return run(folder, [
    join(nodeFolder, "node"),
    "--disable-warning=ExperimentalWarning",
    "cli/main.ts",
    ...args,
  ]);
}

/** Runs plain `pulumi` in a copied checkout, in the environment of its `./lab env`. */
export function pulumiIn(folder: string, ...args: string[]): Promise<Run> {
  return run(folder, [
    "bash",
    "-c",
    'eval "$(node cli/main.ts env)" && exec pulumi --non-interactive "$@"',
    "pulumi",
    ...args,
  ]);
}

/** Runs `pulumi up`; with "init", first creates the stack as `./lab up` does, whatever was lost. */
export async function upIn(folder: string, stack = "local", init?: "init"): Promise<Run> {
  if (init === "init") {
    const ready = `const { Pulumi } = await import("./cli/pulumi.ts");
      const pulumi = await Pulumi.forStack("${stack}"); await pulumi.select(); await pulumi.recover();`;
    const made = await run(folder, [
      join(nodeFolder, "node"),
      "--disable-warning=ExperimentalWarning",
      "--input-type=module",
      "-e",
      ready,
    ]);
    if (made.exitCode !== 0) return made;
  }
  return await pulumiIn(folder, "up", "--yes", "--skip-preview", "--stack", stack);
}

async function run(folder: string, [program_ = "", ...args]: readonly string[]): Promise<Run> {
  const result = await execa(program_, args, {
    cwd: folder,
    env: environment(folder),
    extendEnv: false,
    reject: false,
    stdin: "ignore",
  });
  return { exitCode: result.exitCode ?? 255, output: `${result.stdout}\n${result.stderr}` };
}
