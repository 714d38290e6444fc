import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  apply,
  currentLogin,
  decide,
  environment,
  makePassphrase,
  shellLines,
  unreadableStacks,
  type Situation,
} from "./environment.ts";

const base: Situation = {
  env: { PATH: "/usr/bin:/bin", HOME: "/home/u" },
  lab: "/src/lab/.lab",
  node: "/src/lab/node/bin",
  login: undefined,
  agentAnswers: true,
};

describe("decide", () => {
  it("keeps the state in the checkout for a user who has no Pulumi backend", () => {
    const { backend, set, unset } = decide(base);
    expect(backend).toBe("checkout");
    expect(unset).toEqual([]);
    expect(set).toEqual({
      PATH: "/src/lab/.lab/bin:/src/lab/node/bin:/usr/bin:/bin",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_HOME: "/src/lab/.lab/pulumi-home",
      PULUMI_BACKEND_URL: "file:///src/lab/.lab/state",
      PULUMI_CONFIG_PASSPHRASE_FILE: "/src/lab/.lab/passphrase",
    });
  });

  it.each([
    ["is logged in", { login: "https://api.example.com" }, {}],
    ["names a backend", {}, { PULUMI_BACKEND_URL: "s3://bucket" }],
    ["has an access token", {}, { PULUMI_ACCESS_TOKEN: "pul-1" }],
  ])("keeps the backend of a user who %s", (_what, situation, env) => {
    const decision = decide({ ...base, ...situation, env: { ...base.env, ...env } });
    expect(decision.backend).toBe("user");
    expect(Object.keys(decision.set).sort()).toEqual(["PATH", "PULUMI_SKIP_UPDATE_CHECK"]);
    expect(decision.notes).toHaveLength(1);
    expect(decision.notes.join()).not.toContain("pul-1");
  });

  it("decides the same in a shell that already has its result", () => {
    const first = decide(base);
    const again = decide({ ...base, env: { ...base.env, ...first.set } });
    expect(again).toEqual(first);
  });

  it("keeps a passphrase that the user has set", () => {
    const own = decide({ ...base, env: { ...base.env, PULUMI_CONFIG_PASSPHRASE: "" } });
    expect(own.backend).toBe("checkout");
    expect(own.set).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
  });

  it("leaves out a dead SSH agent, and keeps a living one", () => {
    const env = { ...base.env, SSH_AUTH_SOCK: "/nope" };
    expect(decide({ ...base, env, agentAnswers: false }).unset).toEqual(["SSH_AUTH_SOCK"]);
    expect(decide({ ...base, env, agentAnswers: true }).unset).toEqual([]);
    expect(decide({ ...base, agentAnswers: false }).unset).toEqual([]);
  });
});

describe("shellLines", () => {
  // zsh may not be installed; sh has the same quoting rules.
  it.each(["bash", "sh"])("are read by %s as exactly the values", (shell) => {
    const odd = `/tmp/a b/'it'"s$HOME\`x\`\\n;#*?~\n!!`;
    const text = shellLines({
      backend: "checkout",
      set: { ODD: odd, PLAIN: "x" },
      unset: ["GONE"],
      notes: [],
    });
    const script = `eval "$1"; printf '%s|%s|%s' "$ODD" "$PLAIN" "\${GONE-unset}"`;
    const result = execFileSync(shell, ["-c", script, shell, text], {
      env: { GONE: "1" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect(result).toBe(`${odd}|x|unset`);
  });
});

describe("apply", () => {
  it("sets and unsets variables, and keeps the others", () => {
    const decision = { backend: "checkout", set: { A: "2" }, unset: ["B"], notes: [] } as const;
    expect(apply(decision, { A: "1", B: "1", C: "1" })).toEqual({ A: "2", C: "1" });
  });
});

describe("with real files and sockets", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lab-environment-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("creates a passphrase once, readable only by its owner", () => {
    const file = join(folder, "passphrase");
    makePassphrase(file);
    const first = readFileSync(file, "utf8");
    makePassphrase(file);
    expect(readFileSync(file, "utf8")).toBe(first);
    expect(first).toMatch(/^[\w-]{32}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("finds Pulumi's login, and none after a logout", () => {
    const home = join(folder, "home");
    mkdirSync(home);
    const env = { PULUMI_HOME: home };
    expect(currentLogin(env)).toBeUndefined();
    writeFileSync(join(home, "credentials.json"), JSON.stringify({ current: "https://api.example.com" }));
    expect(currentLogin(env)).toBe("https://api.example.com");
    writeFileSync(join(home, "credentials.json"), JSON.stringify({ current: "" }));
    expect(currentLogin(env)).toBeUndefined();
  });

  it.each(["", "{", "no JSON"])("names an invalid login file (%j), with advice", (text) => {
    const file = join(folder, "credentials.json");
    writeFileSync(file, text);
    expect(() => currentLogin({ PULUMI_CREDENTIALS_PATH: folder })).toThrow(
      new RegExp(`^${file} is not a valid file of pulumi login .* rm ${file}$`),
    );
  });

  it("finds the stacks that cannot be read without the passphrase, or with an empty one", () => {
    expect(unreadableStacks(folder)).toEqual([]);
    const records = join(folder, "state", ".pulumi", "stacks", "disgrafs-lab");
    mkdirSync(records, { recursive: true });
    for (const name of ["a.json", "a.json.bak", "b.json.gz"]) writeFileSync(join(records, name), "");
    expect(unreadableStacks(folder)).toEqual(["a", "b"]);
    writeFileSync(join(folder, "passphrase"), "");
    expect(unreadableStacks(folder)).toEqual(["a", "b"]);
    writeFileSync(join(folder, "passphrase"), "x");
    expect(unreadableStacks(folder)).toEqual([]);
  });

  it("distinguishes a dead agent's socket from a living one", async () => {
    const own = { ...process.env, PULUMI_BACKEND_URL: `file://${folder}` };
    const socket = join(folder, "agent");
    const server = createServer().listen(socket);
    await once(server, "listening");
    expect((await environment({ ...own, SSH_AUTH_SOCK: socket })).unset).toEqual([]);
    server.close();
    await once(server, "close");
    expect((await environment({ ...own, SSH_AUTH_SOCK: socket })).unset).toEqual(["SSH_AUTH_SOCK"]);
  });
});
