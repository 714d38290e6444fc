import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkJars } from "./neo4j.ts";

describe("the jars of Neo4j", () => {
  let lib: string;
  let list: string;
  beforeEach(() => {
    lib = mkdtempSync(join(tmpdir(), "jars-"));
    list = ["a.jar", "b.jar"]
      .map((name) => {
        writeFileSync(join(lib, name), `content of ${name}`);
        return `${createHash("sha256").update(`content of ${name}`).digest("hex")}  ${name}\n`;
      })
      .join("");
  });
  afterEach(() => rmSync(lib, { recursive: true }));

  it("are accepted if they match the list", async () => {
    await expect(checkJars(lib, list)).resolves.toBeUndefined();
  });

  it("are refused if one differs, is missing, or is not in the list", async () => {
    writeFileSync(join(lib, "b.jar"), "content of b.jaR");
    await expect(checkJars(lib, list)).rejects.toThrow("b.jar: FAILED");
    rmSync(join(lib, "b.jar"));
    await expect(checkJars(lib, list)).rejects.toThrow("b.jar");
    writeFileSync(join(lib, "c.jar"), "");
    await expect(checkJars(lib, list)).rejects.toThrow("are not in jars.sha256: c.jar");
  });

  it("have a list with the server's version", () => {
    const recipe = new URL("../provisioning/graph/neo4j/server/", import.meta.url);
    const pom = readFileSync(new URL("pom.xml", recipe), "utf8");
    const version =
      /<artifactId>neo4j-server<\/artifactId>\s*<version>(.+)<\/version>/.exec(pom)?.[1] ?? "none";
    expect(readFileSync(new URL("jars.sha256", recipe), "utf8")).toContain(`  neo4j-server-${version}.jar`);
  });
});
