/** The parts of SSH that need no server: connections, the gate's time limits, and parsing of remote processes. */
import { connectionFaults, connectionId, hostKeyWords, readConnection } from "./connection.ts";
import { budgetOf } from "./gate.ts";
import { killCommand, listCommand, match, parseChildren, parseLeft } from "./kill.ts";

describe("connectionFaults", () => {
  test("names an unknown field, a wrong type and a missing field, but no value", () => {
    const faults = connectionFaults({
      privateKey: "canary",
      extra: "canary",
      port: "canary",
      proxy: { host: "p", proxy: "canary", user: 7 },
    });
    expect(faults).toEqual([
      expect.stringMatching(/^connection has no field "extra"; its fields are host, .*proxy$/),
      "connection.port must be a number",
      expect.stringMatching(/^connection.proxy has no field "proxy"; its fields are host, (?!.*proxy)/),
      "connection.proxy.user must be a string",
      "connection.host is missing",
    ]);
    expect(faults.join()).not.toContain("canary");
  });

  test("names a port out of range, and accepts a valid connection", () => {
    expect(connectionFaults({ host: "h", port: 70000 })).toEqual([
      "connection.port must be a whole number from 1 to 65535",
    ]);
    expect(connectionFaults({ host: "h", port: 22, proxy: { host: "p" } })).toEqual([]);
  });
});

describe("connections", () => {
  test("have the schema's defaults", () => {
    expect(readConnection({ host: "h" })).toMatchObject({
      port: 22,
      user: "root",
      dialErrorLimit: 10,
      perDialTimeout: 15,
    });
  });

  test("share a session if only the dial limits differ, but not if the host key differs", () => {
    const id = (more: object): string =>
      connectionId(readConnection({ host: "h", hostKey: "ssh-rsa A", ...more }));
    expect(id({ dialErrorLimit: 3 })).toBe(id({}));
    expect(id({ hostKey: "ssh-rsa B" })).not.toBe(id({}));
    expect(id({})).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each([
    ["ssh-ed25519 AAAA"],
    ["ssh-ed25519 AAAA root@host"],
    ["[127.0.0.1]:2222 ssh-ed25519 AAAA"],
    ["  host,10.0.0.1 ssh-ed25519 AAAA comment\n"],
  ])("the host key line %s", (line) => expect(hostKeyWords(line)).toEqual(["ssh-ed25519", "AAAA"]));
});

describe("budgetOf", () => {
  test.each([
    ["the default is 5 minutes", 10, false, { milliseconds: 300_000, attempts: 11, most: 200 }],
    ["a delete with the default has 30 s", 10, true, { milliseconds: 30_000, attempts: 1, most: 200 }],
    ["no attempt may fail", 0, false, { milliseconds: 0, attempts: 1, most: 200 }],
    [
      "a low limit is the time that the published plugin would take",
      2,
      false,
      { milliseconds: 250, attempts: 3, most: 200 },
    ],
    ["-1 has no end", -1, true, { milliseconds: Infinity, attempts: Infinity, most: Infinity }],
  ])("%s", (_, limit, deleting, budget) => expect(budgetOf(limit, deleting)).toEqual(budget));

  test("a higher limit than the default never means less time", () => {
    expect(budgetOf(20).milliseconds).toBe(300_000);
    // The published plugin gives up after about 4.4 minutes with 60, and after 7.7 with 100.
    expect(budgetOf(100).milliseconds / 60_000).toBeCloseTo(7.69, 1);
  });
});

describe("processes of the far side", () => {
  const found = parseChildren("700 5000\n650 4000\n9 4000\nself 700\n800 6000\n");

  test("are sorted by start time, then by id", () => {
    expect(found).toEqual({
      self: 700,
      children: [
        { pid: 9, start: 4000 },
        { pid: 650, start: 4000 },
        { pid: 700, start: 5000 },
        { pid: 800, start: 6000 },
      ],
    });
  });

  test("are assigned to channels in the order in which these were requested", () => {
    expect(match(found!, 2, [1])).toEqual([{ pid: 650, start: 4000 }]);
    expect(match(found!, 2, [0, 1])).toHaveLength(2);
  });

  test("are not assigned if their number differs from that of the channels", () => {
    expect(match(found!, 1, [0])).toBeUndefined();
    expect(match(found!, 3, [0])).toBeUndefined();
  });

  test("are unknown if the listing failed", () => {
    expect(parseChildren("sh: not found")).toBeUndefined();
    expect(parseLeft("")).toBeUndefined();
    expect(parseLeft("left\n")).toEqual([]);
    expect(parseLeft("left 12 13\n")).toEqual([12, 13]);
  });

  test("are listed by one line that any login shell passes to sh", () => {
    for (const command of [listCommand, killCommand([{ pid: 1, start: 2 }])]) {
      expect(command).not.toMatch(/[\n!]/);
      expect(command.match(/'/g)).toHaveLength(2);
    }
  });
});
