import { hostKeyOf } from "./hostKeys.ts";

const key = `ssh-ed25519 ${"A".repeat(67)}Q`;
const block = (line: string): string =>
  [
    "[    9.1] cloud-init[512]: Cloud-init v. 25.1.4 running 'modules:final'",
    "-----BEGIN SSH HOST KEY KEYS-----",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI root@ip-10-77-0-10",
    line,
    "-----END SSH HOST KEY KEYS-----",
    "ip-10-77-0-10 login: ",
  ].join("\r\n");

describe("hostKeyOf", () => {
  it("is the ed25519 key that cloud-init prints", () => {
    expect(hostKeyOf(block(`${key} root@ip-10-77-0-10`))).toBe(key);
  });

  it("ignores the console's own text before each line", () => {
    expect(hostKeyOf(block(`[   12.3] cloud-init[601]: ${key} root@host`))).toBe(key);
  });

  it("is from the last block, for a machine that was restarted", () => {
    const old = key.replaceAll("A", "B").replace("ssh-ed25519 B", "ssh-ed25519 A");
    expect(hostKeyOf(`${block(old)}\n${block(key)}`)).toBe(key);
  });

  it.each([
    ["an empty console", ""],
    ["a block that is not whole yet", block(key).slice(0, -60)],
    ["a key cut short", block(key.slice(0, -9))],
    ["a key that is too long to be one", block(`${key}AAAA`)],
    ["a block without such a key", block("ssh-rsa AAAAB3NzaC1yc2E root@host")],
    ["a key outside of the block", `${key}\n${block("ssh-rsa AAAAB3NzaC1yc2E root@host")}`],
  ])("is undefined for %s", (_, text) => {
    expect(hostKeyOf(text)).toBeUndefined();
  });
});
