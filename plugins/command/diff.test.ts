/** Which differences count as a change. */
import fc from "fast-check";
import { changes } from "./diff.ts";
import { comparableConnection } from "./remoteCommand.ts";
import { assetArchive, fileAsset, secret, unknown, type Properties } from "./wire.ts";

describe("changes", () => {
  test("are empty for equal inputs", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const inputs = value as Properties;
        expect(changes(inputs, structuredClone(inputs))).toEqual([]);
      }),
    );
  });

  test("have a path and a kind", () => {
    expect(
      changes(
        { create: "a", gone: "x", triggers: ["1", "2"], environment: { A: "1", "odd key": "1" } },
        { create: "b", more: "y", triggers: ["1", "3", "4"], environment: { A: "1", "odd key": "2" } },
      ),
    ).toEqual([
      { path: "create", input: "create", kind: "update" },
      { path: 'environment["odd key"]', input: "environment", kind: "update" },
      { path: "gone", input: "gone", kind: "delete" },
      { path: "more", input: "more", kind: "add" },
      { path: "triggers[1]", input: "triggers", kind: "update" },
      { path: "triggers[2]", input: "triggers", kind: "add" },
    ]);
  });

  test("of an asset depend on its hash, not on its path", () => {
    expect(changes({ source: fileAsset("a", "1") }, { source: fileAsset("b", "1") })).toEqual([]);
    expect(changes({ source: fileAsset("a", "1") }, { source: fileAsset("a", "2") })).toHaveLength(1);
    expect(changes({ source: fileAsset("a", "1") }, { source: assetArchive({}, "1") })).toHaveLength(1);
  });

  test("include a value that is not known yet", () => {
    expect(changes({ triggers: ["a"] }, { triggers: [unknown] })).toEqual([
      { path: "triggers[0]", input: "triggers", kind: "update" },
    ]);
  });
});

describe("connections", () => {
  const connection = { host: "h", user: "root", port: 22, privateKey: "KEY\n", hostKey: "ssh-ed25519 AAAA" };
  const change = (next: object): string[] =>
    changes(
      comparableConnection({ connection }),
      comparableConnection({ connection: secret({ ...connection, ...next }) }),
    ).map(({ path }) => path);

  test("are equal if they differ only in secret marks, defaults, white space, comments and dial limits", () => {
    expect(change({})).toEqual([]);
    const { user, port, ...short } = connection;
    expect([user, port]).toEqual(["root", 22]);
    expect(
      changes(comparableConnection({ connection }), comparableConnection({ connection: short })),
    ).toEqual([]);
    expect(
      change({
        dialErrorLimit: 60,
        perDialTimeout: 1,
        privateKey: "KEY",
        hostKey: "h ssh-ed25519 AAAA me@x",
      }),
    ).toEqual([]);
  });

  test("differ if their host, host key, user or password differs", () => {
    expect(change({ host: "other", user: "me", password: "x", hostKey: "ssh-ed25519 BBBB" })).toEqual([
      "connection.host",
      "connection.hostKey",
      "connection.password",
      "connection.user",
    ]);
    expect(change({ proxy: { host: "p" } })).toEqual(["connection.proxy"]);
  });
});
