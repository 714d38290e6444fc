/**
 * Installs the Pulumi CLI with its Node.js language host in `.lab/bin`: one from PATH that is new enough; else the official
 * release, checked against a pinned hash; else, if that cannot be reached, a build from the modules in tools/.
 */
import { createHash } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
} from "node:fs";
import { rename, rm, symlink } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { inLab } from "../../workshop/checkout.ts";
import { atLeast } from "../../workshop/version.ts";
import { build, isBuilt, type GoProgram } from "./go.ts";
import type { Step } from "./runner.ts";

/**
 * The official release. Its hash is the one that Pulumi itself publishes in its Homebrew tap (github.com/pulumi/
 * homebrew-tap, Formula/pulumi.rb of this version).
 */
export const release = {
  version: "3.259.0",
  url: "https://github.com/pulumi/pulumi/releases/download/v3.259.0/pulumi-v3.259.0-linux-x64.tar.gz",
  sha256: "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5",
};

/** Oldest CLI accepted from PATH: not older than the version that the lab installs. */
export const oldestPulumi = release.version;

const builtVersion = "v3.274.1";

const cli: GoProgram = {
  name: "pulumi",
  module: "pulumi",
  package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
  values: { "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": builtVersion },
};

const languageHost: GoProgram = {
  name: "pulumi-language-nodejs",
  module: "pulumi-language-nodejs",
  package: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
  values: { "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "v3.65.1" },
  // This version gets `options.typescript` of Pulumi.yaml as an argument, which later engines do not pass. Without it, the SDK
  // loads the TypeScript compiler and maps the lines of each stack that it records, 0.6 s of CPU time at each start.
  flags: ["-typescript=false"],
};

const programs = ["pulumi", "pulumi-language-nodejs"];

export function pulumiSteps(): Step[] {
  return [cliStep(), languageHostStep()];
}

function cliStep(): Step {
  return {
    name: "Pulumi CLI",
    async check() {
      if (!isLink("pulumi") && isBuilt(cli))
        return { done: true, detail: `${builtVersion.slice(1)}, built from tools/pulumi` };
      const version = await pulumiVersion(inLab("bin", "pulumi"));
      if (isLink("pulumi")) {
        // The user's own, chosen earlier: it may have been removed or downgraded since.
        if (atLeast(version, oldestPulumi) && existsSync(inLab("bin", "pulumi-language-nodejs"))) {
          return { done: true, detail: `${version}, your own: ${readlinkSync(inLab("bin", "pulumi"))}` };
        }
      } else if (version === release.version) return { done: true, detail: `${version}, official release` };
      const own = await ownPulumi();
      if (own) return { done: false, plan: `use your own ${own.pulumi}` };
      return { done: false, plan: `get release ${release.version}, or build it (4 minutes on 2 cores)` };
    },
    async run(progress) {
      mkdirSync(inLab("bin"), { recursive: true });
      const own = await ownPulumi();
      if (own) {
        await link(own.pulumi, "pulumi");
        await link(own.languageHost, "pulumi-language-nodejs");
        return;
      }
      await Promise.all(programs.filter(isLink).map((name) => rm(inLab("bin", name))));
      const problem = await download(release, inLab("bin"), progress);
      if (problem === undefined) return;
      progress(`no official release (${problem}): building it`);
      await build(cli, progress);
    },
  };
}

function languageHostStep(): Step {
  return {
    name: "Pulumi for Node.js",
    check() {
      // The official release and a user's own CLI include theirs; only our build lacks it.
      const ready = isBuilt(cli) ? isBuilt(languageHost) : existsSync(inLab("bin", languageHost.name));
      return ready
        ? { done: true, detail: "language host beside the CLI" }
        : { done: false, plan: "build the language host from tools/ (half a minute)" };
    },
    run: (progress) => build(languageHost, progress),
  };
}

interface OwnPulumi {
  readonly pulumi: string;
  readonly languageHost: string;
}

/** The first Pulumi CLI on PATH that is new enough and has its Node.js language host on PATH or in its folder. */
async function ownPulumi(): Promise<OwnPulumi | undefined> {
  const folders = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder.startsWith("/") && folder !== inLab("bin"));
  const pulumi = folders.map((folder) => join(folder, "pulumi")).find((file) => existsSync(file));
  if (pulumi === undefined || !atLeast(await pulumiVersion(pulumi), oldestPulumi)) return undefined;
  const places = [dirname(pulumi), dirname(realpathSync(pulumi)), ...folders];
  const languageHost = places
    .map((folder) => join(folder, "pulumi-language-nodejs"))
    .find((file) => existsSync(file));
  return languageHost === undefined ? undefined : { pulumi, languageHost };
}

/** The version of a Pulumi CLI; "0" if it prints none or does not exist. */
async function pulumiVersion(file: string): Promise<string> {
  if (!existsSync(file)) return "0";
  const { stdout } = await execa(file, ["version"], {
    env: { PULUMI_SKIP_UPDATE_CHECK: "1" },
    timeout: 20_000,
    reject: false,
  });
  return /^v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? "0";
}

function isLink(name: string): boolean {
  return lstatSync(inLab("bin", name), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

async function link(target: string, name: string): Promise<void> {
  const temporary = inLab("bin", `${name}.linking`);
  await rm(temporary, { force: true });
  await symlink(target, temporary);
  await rename(temporary, inLab("bin", name));
}

/** Limits so that a closed network does not block set-up. */
const patience = {
  /** Seconds within which the server must start to answer. */
  answerSeconds: 10,
  /** Seconds without data after which a download is aborted. */
  stallSeconds: 30,
};

/**
 * Downloads a release, and puts the CLI and everything for Node.js into a folder.
 * Returns undefined on success, otherwise the reason. It never installs a part, or a file with another hash.
 */
export async function download(
  source: typeof release,
  folder: string,
  progress: (text: string) => void,
  limits = patience,
): Promise<string | undefined> {
  const work = join(folder, ".release");
  await rm(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  try {
    const archive = join(work, "release.tar.gz");
    progress(`asking for the official release ${source.version}`);
    await fetchFile(source.url, archive, progress, limits);
    const hash = createHash("sha256");
    await pipeline(createReadStream(archive), hash);
    const actual = hash.digest("hex");
    if (actual !== source.sha256) return `its SHA-256 is ${actual}, not the pinned ${source.sha256}`;
    await execa("tar", ["-xzf", archive, "-C", work]);
    // The language host first: then the presence of the CLI means that everything is present.
    for (const name of [
      "pulumi-language-nodejs",
      "pulumi-resource-pulumi-nodejs",
      "pulumi-analyzer-policy",
      "pulumi",
    ]) {
      const file = join(work, "pulumi", name);
      if (existsSync(file)) await rename(file, join(folder, name));
    }
    return undefined;
  } catch (error) {
    const { message, cause } = error as Error;
    return cause instanceof Error ? cause.message : message;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function fetchFile(
  url: string,
  file: string,
  progress: (text: string) => void,
  limits: typeof patience,
): Promise<void> {
  const stop = new AbortController();
  const giveUp = (seconds: number, what: string): NodeJS.Timeout =>
    setTimeout(() => stop.abort(new Error(`${what} within ${seconds} s`)), seconds * 1000);
  let timer = giveUp(limits.answerSeconds, "no answer");
  try {
    const response = await fetch(url, { signal: stop.signal });
    if (!response.ok || response.body === null) throw new Error(`HTTP status ${response.status}`);
    const total = Number(response.headers.get("content-length") ?? 0);
    let received = 0;
    const body = Readable.fromWeb(response.body);
    body.on("data", (chunk: Buffer) => {
      clearTimeout(timer);
      timer = giveUp(limits.stallSeconds, "nothing more");
      received += chunk.length;
      const share = total > 0 ? ` (${Math.floor((100 * received) / total)} %)` : "";
      progress(`official release: ${Math.floor(received / 1e6)} MB${share}`);
    });
    await pipeline(body, createWriteStream(file), { signal: stop.signal });
  } catch (error) {
    throw stop.signal.aborted ? (stop.signal.reason as Error) : error;
  } finally {
    clearTimeout(timer);
  }
}
