/**
 * Converts private keys to formats that ssh2 reads. ssh2 reads OpenSSH's, PuTTY's and the older PEM formats; PKCS#8 ("BEGIN
 * PRIVATE KEY", written by OpenSSL, Terraform and cloud consoles) is converted to one of these.
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { message, StepError } from "../errors.ts";

const pkcs8 = /^\s*-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/;

/**
 * The key as text that ssh2 reads.
 *
 * @throws StepError without a word of the key when it is PKCS#8 and cannot be read
 */
export function readablePrivateKey(text: string, password: string | undefined): string {
  const key = `${text.trim()}\n`;
  if (!pkcs8.test(key)) return key;
  const object = parse(key, password);
  switch (object.asymmetricKeyType) {
    case "rsa":
      return object.export({ type: "pkcs1", format: "pem" }).toString();
    case "ec":
      return object.export({ type: "sec1", format: "pem" }).toString();
    case "ed25519":
      return openSshEd25519(object);
    default:
      throw new StepError(
        `connection.privateKey is a PKCS#8 key of type ${object.asymmetricKeyType}; SSH has rsa, ec and ed25519`,
      );
  }
}

function parse(key: string, password: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key, format: "pem", passphrase: password });
  } catch (error) {
    const encrypted = /ENCRYPTED/.test(key) || /passphrase|decrypt/i.test(message(error));
    throw new StepError(
      encrypted
        ? "connection.privateKey is encrypted: connection.privateKeyPassword must be given and right"
        : "connection.privateKey cannot be used: it is labelled as a PKCS#8 key but cannot be read as one",
    );
  }
}

/** OpenSSH's own format, without a passphrase: PROTOCOL.key in its sources. No other form of ed25519 is read by ssh2. */
function openSshEd25519(key: KeyObject): string {
  const { d = "", x = "" } = key.export({ format: "jwk" });
  const [seed, point] = [Buffer.from(d, "base64url"), Buffer.from(x, "base64url")];
  const publicBlob = Buffer.concat([field("ssh-ed25519"), field(point)]);
  const check = Buffer.alloc(8); // The same number twice; it tells a right passphrase, and there is none.
  const secret = Buffer.concat([check, publicBlob, field(Buffer.concat([seed, point])), field("")]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const one = Buffer.from([0, 0, 0, 1]);
  const whole = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    ...[field("none"), field("none"), field(""), one],
    ...[field(publicBlob), field(Buffer.concat([secret, padding]))],
  ]);
  const lines = whole.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
