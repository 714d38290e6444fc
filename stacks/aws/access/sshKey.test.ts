import { splitKey } from "./sshKey.ts";

const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nQUFB\n-----END OPENSSH PRIVATE KEY-----\n";

describe("splitKey", () => {
  it("returns the private key with a trailing newline, and the public line, whether or not the text was trimmed", () => {
    const expected = { privateKey, publicKey: "ssh-ed25519 AAAA disgrafs-lab" };
    expect(splitKey(`${privateKey}ssh-ed25519 AAAA disgrafs-lab\n`)).toEqual(expected);
    expect(splitKey(`${privateKey}ssh-ed25519 AAAA disgrafs-lab`)).toEqual(expected);
  });
  it("refuses any other text without showing it", () => {
    expect(() => splitKey(privateKey)).toThrow("did not print a private and a public key");
    expect(() => splitKey(`x${privateKey}ssh-ed25519 AAAA`)).toThrow(/^(?![\s\S]*QUFB)/);
  });
});
