// A module and its tests are chosen by run.ts, which starts this.
export default {
  plugins: [import.meta.resolve("@stryker-mutator/jest-runner")],
  testRunner: "jest",
  testRunnerNodeArgs: ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"],
  jest: { projectType: "custom", configFile: "tests/mutation/jest.config.js", enableFindRelatedTests: false },
  mutate: [process.env.MUTATION_MODULE],
  coverageAnalysis: "perTest",
  // Node finds packages in the checkout, above the copy. A link to them in the copy would let a test that sets up a
  // checkout empty the real folder.
  symlinkNodeModules: false,
  // Modules of earlier runs stay in memory: the process had 1.9 GB after 225 runs of the tests of stacks/settings.ts.
  maxTestRunnerReuse: 60,
  tempDirName: ".lab/mutation/copy",
  ignorePatterns: [".lab", "results", "docs", "tests/mutation/node_modules"],
  reporters: ["json"],
  jsonReporter: { fileName: process.env.MUTATION_REPORT },
  allowEmpty: true,
  timeoutMS: 30_000,
  logLevel: "warn",
};
