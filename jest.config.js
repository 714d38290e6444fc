// One project per thing a test needs. `npm test` runs "unit"; `./lab test` runs them all (cli/suites/suites.ts).
//   x.test.ts           nothing but Node: under a minute for all of them
//   x.sshd.test.ts      a real OpenSSH server on loopback
//   x.engine.test.ts    a real Pulumi engine (CLI), no VM
//   x.browser.test.ts   a headless Chromium
//   x.vm.test.ts        one local VM
//   tests/x.lab.test.ts a whole lab
//   x.long.test.ts      local VMs for longer than CI has; by name only: ./lab test --only long
const kinds = ["sshd", "engine", "browser", "vm", "lab", "long"];

const project = (displayName, testMatch, extra = {}) => ({
  displayName,
  testMatch,
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": "<rootDir>/tests/support/stripTypes.js" },
  modulePathIgnorePatterns: ["<rootDir>/.lab", "<rootDir>/results"],
  ...extra,
});

export default {
  // The default of 5 s is for an idle machine; what a test may take is said where it matters.
  testTimeout: 60_000,
  projects: [
    project("unit", ["**/*.test.ts"], {
      testPathIgnorePatterns: ["/node_modules/", `\\.(${kinds.join("|")})\\.test\\.ts$`],
    }),
    ...kinds.map((kind) => project(kind, [`**/*.${kind}.test.ts`])),
  ],
};
