import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { download } from "./pulumi.ts";

let folder: string;
let server: Server | undefined;
let archive: Buffer;

/** An archive like Pulumi's releases: a folder `pulumi` with programs. */
function pack(): Buffer {
  const content = join(folder, "content");
  mkdirSync(join(content, "pulumi"), { recursive: true });
  for (const name of ["pulumi", "pulumi-language-nodejs", "pulumi-language-go"]) {
    writeFileSync(join(content, "pulumi", name), `#!/bin/sh\necho ${name}\n`);
    chmodSync(join(content, "pulumi", name), 0o755);
  }
  execFileSync("tar", ["-czf", join(folder, "release.tar.gz"), "-C", content, "pulumi"]);
  return readFileSync(join(folder, "release.tar.gz"));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lab-pulumi-"));
  archive = pack();
});
afterEach(async () => {
  if (server) {
    server.closeAllConnections();
    await new Promise((done) => server?.close(done));
  }
  server = undefined;
  rmSync(folder, { recursive: true });
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/release.tar.gz`;
}

const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

describe("download of the official release", () => {
  it("puts only the CLI and its Node.js host into the folder", async () => {
    const url = await serve((_request, response) => response.end(archive));
    const bin = join(folder, "bin");
    const problem = await download({ version: "1.2.3", url, sha256: sha256(archive) }, bin, () => undefined);
    expect(problem).toBeUndefined();
    expect(readdirSync(bin).sort()).toEqual(["pulumi", "pulumi-language-nodejs"]);
    expect(execFileSync(join(bin, "pulumi"), { encoding: "utf8" })).toBe("pulumi\n");
  });

  it("refuses a file with another hash than the pinned one, and leaves nothing", async () => {
    const url = await serve((_request, response) => response.end(archive));
    const bin = join(folder, "bin");
    const other = sha256(Buffer.from("something else"));
    const problem = await download({ version: "1.2.3", url, sha256: other }, bin, () => undefined);
    expect(problem).toBe(`its SHA-256 is ${sha256(archive)}, not the pinned ${other}`);
    expect(readdirSync(bin)).toEqual([]);
  });

  it("reports the reason if the server or the file does not exist", async () => {
    const url = await serve((_request, response) => response.writeHead(404).end());
    const bin = join(folder, "bin");
    expect(await download({ version: "1.2.3", url, sha256: "" }, bin, () => undefined)).toBe(
      "HTTP status 404",
    );
    const nobody = "http://127.0.0.1:1/release.tar.gz";
    expect(await download({ version: "1.2.3", url: nobody, sha256: "" }, bin, () => undefined)).toMatch(/./);
    expect(existsSync(join(bin, "pulumi"))).toBe(false);
  });

  it("gives up within its time limit on a server that accepts but never answers", async () => {
    const url = await serve(() => undefined);
    const start = performance.now();
    const limits = { answerSeconds: 0.3, stallSeconds: 0.3 };
    const problem = await download(
      { version: "1.2.3", url, sha256: "" },
      join(folder, "bin"),
      () => undefined,
      limits,
    );
    expect(problem).toBe("no answer within 0.3 s");
    expect(performance.now() - start).toBeLessThan(50_000);
  });

  it("gives up on a download that stalls", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-length": archive.length });
      response.write(archive.subarray(0, 10));
    });
    const limits = { answerSeconds: 50, stallSeconds: 0.3 };
    const problem = await download(
      { version: "1.2.3", url, sha256: "" },
      join(folder, "bin"),
      () => undefined,
      limits,
    );
    expect(problem).toBe("nothing more within 0.3 s");
    expect(readdirSync(join(folder, "bin"))).toEqual([]);
  });
});
