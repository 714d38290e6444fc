/**
 * Mutation testing: StrykerJS makes small changes to each module, one at a time, and the module's own tests must notice them.
 * Prints TAP: a module is ok if its tests notice at least `leastScore` of the changes; unnoticed changes follow.
 *
 *     node tests/mutation/run.ts [MODULE...]
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { checkout, inLab } from "../../workshop/checkout.ts";
import { modules, type MutatedModule } from "./modules.ts";

/** Minimum percentage of noticed changes. */
const leastScore = 80;

interface Mutant {
  readonly status:
    "Killed" | "Timeout" | "Survived" | "NoCoverage" | "RuntimeError" | "CompileError" | "Ignored";
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly location: { readonly start: { readonly line: number } };
}

interface Score {
  readonly noticed: number;
  readonly unnoticed: readonly Mutant[];
}

const own = join(checkout, "tests", "mutation");

/** Installs StrykerJS separately from the checkout's other packages, because only this program uses it. */
async function installStryker(): Promise<void> {
  if (existsSync(join(own, "node_modules", ".package-lock.json"))) return;
  process.stderr.write("npm ci in tests/mutation\n");
  await execa("npm", ["ci", "--no-audit", "--no-fund"], { cwd: own });
}

/** @throws if the tests fail without any change, or if StrykerJS fails */
async function scoreOf({ module, tests }: MutatedModule): Promise<Score> {
  const folder = inLab("mutation");
  mkdirSync(folder, { recursive: true });
  const report = join(folder, `${module.replaceAll("/", "-")}.json`);
  const stryker = join(own, "node_modules/@stryker-mutator/core/bin/stryker.js");
  await execa(process.execPath, [stryker, "run", "tests/mutation/stryker.config.js"], {
    cwd: checkout,
    env: { MUTATION_MODULE: module, MUTATION_TESTS: tests.join(","), MUTATION_REPORT: report },
    all: true,
  });
  const { files } = JSON.parse(readFileSync(report, "utf8")) as {
    files: Record<string, { mutants: readonly Mutant[] }>;
  };
  const mutants = Object.values(files).flatMap((file) => file.mutants);
  const withStatus = (...statuses: string[]): Mutant[] =>
    mutants.filter(({ status }) => statuses.includes(status));
  return { noticed: withStatus("Killed", "Timeout").length, unnoticed: withStatus("Survived", "NoCoverage") };
}

const lineOf = ({ status, mutatorName, replacement = "", location }: Mutant): string =>
  `#   line ${location.start.line}: ${mutatorName}${status === "NoCoverage" ? ", never run" : ""}: ${replacement
    .replace(/\s+/g, " ")
    .slice(0, 80)}\n`;

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !modules.some(({ module }) => module === name));
if (unknown !== undefined)
  throw new Error(`${unknown} is not among the modules of tests/mutation/modules.ts`);
const chosen = asked.length === 0 ? modules : modules.filter(({ module }) => asked.includes(module));
await installStryker();
process.stdout.write(`1..${chosen.length}\n`);
for (const [index, each] of chosen.entries()) {
  let title: string;
  let good = false;
  let unnoticed: readonly Mutant[] = [];
  try {
    const score = await scoreOf(each);
    unnoticed = score.unnoticed;
    const all = score.noticed + unnoticed.length;
    const percent = (100 * score.noticed) / all;
    good = percent >= leastScore;
    title = `${each.module}: ${percent.toFixed(0)} % (${score.noticed} of ${all})`;
  } catch (error) {
    title = `${each.module}: ${String(error).replace(/\s+/g, " ").slice(0, 2000)}`;
  }
  if (!good) process.exitCode = 1;
  process.stdout.write(`${good ? "ok" : "not ok"} ${index + 1} - ${title}\n`);
  for (const mutant of unnoticed) process.stdout.write(lineOf(mutant));
}
