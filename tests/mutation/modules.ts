/** The modules for mutation testing: modules that only compute, each with its test files. */
const withTestsBeside = [
  "benchmarks/histogram.ts",
  "benchmarks/host.ts",
  "benchmarks/order.ts",
  "benchmarks/rows.ts",
  "benchmarks/statistics.ts",
  "benchmarks/verdicts.ts",
  "cli/students.ts",
  "cli/suites/counts.ts",
  "plugins/command/diff.ts",
  "plugins/command/glob.ts",
  "plugins/command/redact.ts",
  "plugins/command/wire.ts",
  "policy/secrets.ts",
  "policy/rules/noWideIngress.ts",
  "policy/rules/oneBucketPrefix.ts",
  "policy/rules/standaloneRules.ts",
  "policy/rules/tagged.ts",
  "provisioning/cloudInit.ts",
  "provisioning/ports.ts",
  "provisioning/shell.ts",
  "stacks/aws/advice.ts",
  "stacks/aws/cleanup/selection.ts",
  "stacks/aws/cost/cost.ts",
  "stacks/aws/settings.ts",
  "stacks/folders.ts",
  "stacks/settings.ts",
  "workshop/version.ts",
];

/** Tests of the rules as one pack. */
const packTests = ["policy/index.test.ts", "policy/spellings.test.ts"];

export interface MutatedModule {
  /** Path of the module in the checkout. */
  readonly module: string;
  /** Paths of its test files. */
  readonly tests: readonly string[];
}

/** Modules that are tested through another one. */
const withTestsElsewhere: readonly MutatedModule[] = [
  { module: "benchmarks/parsers/juicefsBench.ts", tests: ["benchmarks/parsers/parsers.test.ts"] },
  { module: "benchmarks/parsers/loops.ts", tests: ["benchmarks/parsers/parsers.test.ts"] },
  { module: "stacks/topology.ts", tests: ["stacks/settings.test.ts"] },
];

export const modules: readonly MutatedModule[] = [
  ...withTestsBeside.map((module) => ({
    module,
    tests: [module.replace(/\.ts$/, ".test.ts"), ...(module.startsWith("policy/rules/") ? packTests : [])],
  })),
  ...withTestsElsewhere,
];
