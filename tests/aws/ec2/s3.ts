/**
 * S3 for a machine: TLS at https://BUCKET.s3.REGION.amazonaws.com in front of moto, with a certificate that the machine trusts. It
 * records the requests and their signers.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface S3Request {
  readonly method: string;
  readonly bucket: string;
  /** Key of an object, or "" for the bucket itself. */
  readonly key: string;
  readonly query: URLSearchParams;
  /** Access key that signed the request. */
  readonly signedBy: string;
}

export class S3Front {
  readonly #server: Server;
  /** The certificate authority, as PEM. */
  readonly authority: string;
  readonly requests: S3Request[] = [];

  private constructor(server: Server, authority: string) {
    this.#server = server;
    this.authority = authority;
  }

  static async start(motoPort: number, region: string): Promise<S3Front> {
    const { authority, certificate, key } = certificates(`*.s3.${region}.amazonaws.com`);
    const server = createServer({ cert: certificate, key });
    const front = new S3Front(server, authority);
    server.on("request", (question, answer) => {
      const url = new URL(question.url ?? "/", "https://s3");
      const bucket = (question.headers.host ?? "").split(".")[0] ?? "";
      front.requests.push({
        method: question.method ?? "",
        bucket,
        key: decodeURIComponent(url.pathname.slice(1)),
        query: url.searchParams,
        signedBy: /Credential=([^/]+)/.exec(question.headers.authorization ?? "")?.[1] ?? "nobody",
      });
      const forwarded = request(
        {
          host: "127.0.0.1",
          port: motoPort,
          method: question.method,
          path: `/${bucket}${question.url ?? "/"}`,
          headers: { ...question.headers, host: `127.0.0.1:${motoPort}` },
        },
        (reply) => {
          answer.writeHead(reply.statusCode ?? 500, reply.headers);
          reply.pipe(answer);
        },
      );
      forwarded.on("error", (error) => answer.destroy(error));
      question.pipe(forwarded);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A temporary authority, and a certificate from it for one name. */
function certificates(name: string): { authority: string; certificate: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), "s3-"));
  const file = (each: string): string => join(folder, each);
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    openssl(
      ...["req", "-x509", ...newKey, "-days", "2", "-subj", "/CN=disgrafs-lab test authority"],
      ...["-keyout", "ca.key", "-out", "ca.crt"],
    );
    openssl("req", ...newKey, "-subj", "/CN=S3", "-keyout", "s3.key", "-out", "s3.csr");
    writeFileSync(file("names"), `subjectAltName=DNS:${name}\n`);
    openssl(
      ...["x509", "-req", "-in", "s3.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"],
      ...["-days", "2", "-extfile", "names", "-out", "s3.crt"],
    );
    const read = (each: string): string => readFileSync(file(each), "utf8");
    return { authority: read("ca.crt"), certificate: read("s3.crt"), key: read("s3.key") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
