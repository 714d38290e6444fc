// One project for each kind of test, by what it needs. `npm test` runs "unit"; `./lab test` runs all but "long" (cli/suites/suites.ts).
//   x.test.ts           only Node
//   x.sshd.test.ts      a real OpenSSH server on loopback
//   x.engine.test.ts    a real Pulumi engine (CLI), no VM
//   x.browser.test.ts   a headless Chromium
//   x.vm.test.ts        one local VM
//   tests/x.lab.test.ts a whole lab
//   x.long.test.ts      local VMs for longer than CI allows: ./lab test --only long
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
  // The default of 5 s is too short for a busy machine. Tests that need more set their own limit.
  testTimeout: 60_000,
  projects: [
    project("unit", ["**/*.test.ts"], {
      testPathIgnorePatterns: ["/node_modules/", `\\.(${kinds.join("|")})\\.test\\.ts$`],
    }),
    ...kinds.map((kind) => project(kind, [`**/*.${kind}.test.ts`])),
  ],
};
