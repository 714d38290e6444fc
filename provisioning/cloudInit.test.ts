import { readFileSync } from "node:fs";
import { cloudInit, type FirstBoot } from "./cloudInit.ts";

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE student@laptop";
const minimal: FirstBoot = { hostname: "node1", login: { user: "root", authorizedKeys: [publicKey] } };
const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";

const parse = (text: string): unknown => JSON.parse(text.slice("#cloud-config\n".length));

describe("cloudInit", () => {
  it("starts with the line that cloud-init looks for, then is JSON", () => {
    const text = cloudInit(minimal);
    expect(text.startsWith("#cloud-config\n{")).toBe(true);
    expect(text.endsWith("}\n")).toBe(true);
  });

  it("sets only the host name and the login by default", () => {
    expect(parse(cloudInit(minimal))).toEqual({
      hostname: "node1",
      disable_root: false,
      users: [{ name: "root", ssh_authorized_keys: [publicKey] }],
    });
  });

  it("gives a login user other than root sudo without a password, and keeps root closed", () => {
    expect(parse(cloudInit({ ...minimal, login: { user: "admin", authorizedKeys: [publicKey] } }))).toEqual({
      hostname: "node1",
      disable_root: true,
      users: [
        {
          name: "admin",
          ssh_authorized_keys: [publicKey],
          shell: "/bin/bash",
          lock_passwd: true,
          sudo: "ALL=(ALL) NOPASSWD:ALL",
        },
      ],
    });
  });

  it("sets the expiry before any other command", () => {
    const boot: FirstBoot = {
      ...minimal,
      hostKey: { privateKey, publicKey },
      network: { mac: "52:54:00:12:34:56", address: "192.168.77.11/24" },
      expiresInSeconds: 14400,
      files: [
        { path: "/etc/motd", content: 'it\'s "here"\n' },
        { path: "/opt/tool", content: new Uint8Array([0, 255]), permissions: "0755" },
      ],
      commands: [["touch", "/run/my file"]],
    };
    expect(parse(cloudInit(boot))).toEqual({
      hostname: "node1",
      disable_root: false,
      users: [{ name: "root", ssh_authorized_keys: [publicKey] }],
      ssh_deletekeys: true,
      ssh_keys: { ed25519_private: privateKey, ed25519_public: publicKey },
      write_files: [
        {
          path: "/etc/disgrafs/addresses",
          permissions: "0644",
          content: "52:54:00:12:34:56 192.168.77.11/24\n",
        },
        {
          path: "/usr/local/sbin/disgrafs-expire-at",
          permissions: "0755",
          content: readFileSync(new URL("./expireAt.sh", import.meta.url), "utf8"),
        },
        { path: "/etc/motd", permissions: "0644", content: 'it\'s "here"\n' },
        { path: "/opt/tool", permissions: "0755", encoding: "b64", content: "AP8=" },
      ],
      runcmd: [
        ["bash", "-c", '/usr/local/sbin/disgrafs-expire-at "$(($(date +%s) + 14400))"'],
        ["touch", "/run/my file"],
      ],
    });
  });

  it.each<[string, Partial<FirstBoot>, RegExp]>([
    ["a host name with an underscore", { hostname: "node_1" }, /hostname is "node_1"; it must be/],
    ["an empty host name", { hostname: "" }, /hostname/],
    [
      "a user name with a space",
      { login: { user: "a b", authorizedKeys: [publicKey] } },
      /login\.user is "a b"/,
    ],
    ["nobody who may log in", { login: { user: "root", authorizedKeys: [] } }, /at least one public key/],
    [
      "two keys in one line",
      { login: { user: "root", authorizedKeys: [`${publicKey}\n${publicKey}`] } },
      /one line/,
    ],
    [
      "a host key without its last newline",
      { hostKey: { privateKey: privateKey.trim(), publicKey } },
      /privateKey/,
    ],
    [
      "a bad hardware address",
      { network: { mac: "52:54", address: "10.0.0.1/24" } },
      /network\.mac is "52:54"/,
    ],
    [
      "an address without prefix",
      { network: { mac: "52:54:00:12:34:56", address: "10.0.0.1" } },
      /a\.b\.c\.d\/n/,
    ],
    [
      "an expiry of no time",
      { expiresInSeconds: 0 },
      /expiresInSeconds is "0"; it must be a whole number, 60 or more/,
    ],
    ["a relative path", { files: [{ path: "etc/motd", content: "" }] }, /absolute path/],
    [
      "permissions without leading 0",
      { files: [{ path: "/a", content: "", permissions: "644" }] },
      /four octal/,
    ],
    ["an empty command", { commands: [[]] }, /commands/],
  ])("refuses %s", (_, change, message) => {
    expect(() => cloudInit({ ...minimal, ...change })).toThrow(message);
  });

  it("has no key in an error", () => {
    const secret = "-----BEGIN OPENSSH PRIVATE KEY-----canary";
    expect.assertions(2);
    for (const login of [{ user: "root", authorizedKeys: [secret] }])
      try {
        cloudInit({ ...minimal, login });
      } catch (error) {
        expect(String(error)).toMatch(/authorizedKeys/);
        expect(String(error)).not.toContain("canary");
      }
  });
});
