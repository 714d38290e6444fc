/** The real switch of a private network, with this test in place of network cards. */
import { statSync } from "node:fs";
import { cp, rename, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../../workshop/process.ts";
import { networkRevision, plug, runningNetwork, startNetwork, stopNetwork } from "./network.ts";
import { networkFolder, stackFolder } from "./paths.ts";
import { isOwn, ownProcesses } from "./processes.ts";
import { removeStack } from "./removeStack.ts";
import { sweep } from "./sweep.ts";

// With the checkout's folder, longer than a unix socket's path may be.
const stack = `test-${"network-".repeat(12)}${process.pid}-1`;
const other = `test-network-copy-${process.pid}-2`;

/** A frame from one card to another, in QEMU's format; the last byte of an address identifies the card. */
function frame(to: number, from: number, text: string): Buffer {
  const address = (last: number): Buffer =>
    last === 255 ? Buffer.alloc(6, 255) : Buffer.from([0x52, 0x54, 0, 0x77, 0, last]);
  const body = Buffer.concat([address(to), address(from), Buffer.from([0x88, 0xb5]), Buffer.from(text)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Reads the text of a card's frames. */
function listen(card: Socket): string[] {
  const texts: string[] = [];
  card.resume();
  let rest: Buffer = Buffer.alloc(0);
  card.on("data", (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (
      let end;
      rest.length >= 4 && (end = 4 + rest.readUInt32BE(0)) <= rest.length;
      rest = rest.subarray(end)
    )
      texts.push(rest.subarray(18, end).toString());
  });
  return texts;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(10);
}

describe("the switch of a private network", () => {
  const cards: Socket[] = [];
  beforeAll(async () => {
    await startNetwork(stack, 1);
  });
  afterAll(async () => {
    for (const card of cards) card.destroy();
    for (const name of [stack, other]) await removeStack(name);
  });

  it("sends a frame to its destination, and a broadcast to all others", async () => {
    for (let i = 0; i < 3; i++) cards.push(await plug(stack));
    const [one, two, three] = cards.map(listen);
    const [first, second, third] = cards as [Socket, Socket, Socket];
    // A card that got an answer is connected.
    for (const card of cards) card.write(Buffer.alloc(4));
    await until(() => [one, two, three].every((texts) => texts!.length === 1));
    for (const texts of [one, two, three]) texts!.length = 0;
    first.write(frame(255, 1, "who has 2?"));
    await until(() => two!.length === 1 && three!.length === 1);
    second.write(frame(1, 2, "I"));
    await until(() => one!.length === 1);
    // Frames arrive in pieces, and several at once.
    const many = Buffer.concat([
      frame(2, 1, "a"),
      frame(2, 1, "b"),
      frame(1, 1, "to itself"),
      frame(2, 1, "c"),
    ]);
    for (const byte of many) first.write(Buffer.from([byte]));
    third.write(frame(255, 3, "end"));
    await until(() => two!.length === 5 && one!.length === 2);
    expect(one).toEqual(["I", "end"]);
    expect(two!.filter((text) => text !== "end")).toEqual(["who has 2?", "a", "b", "c"]);
    expect(three).toEqual(["who has 2?"]);
  });

  it("disconnects a card that sends invalid data, and continues", async () => {
    const bad = await plug(stack);
    bad.resume();
    bad.write(Buffer.from([255, 255, 255, 255]));
    await new Promise((resolve) => bad.once("close", resolve));
    expect(await runningNetwork(stack)).toMatchObject({ revision: 1 });
  });

  it("refuses other users", () => {
    expect(statSync(join(networkFolder(stack), "s")).mode & 0o777).toBe(0o600);
    expect(statSync(networkFolder(stack)).mode & 0o777).toBe(0o700);
  });

  it("keeps running if its stack's folder is moved, and is found there", async () => {
    const before = await runningNetwork(stack);
    await rename(stackFolder(stack), stackFolder(other));
    expect(await runningNetwork(stack)).toBeUndefined();
    expect(await runningNetwork(other)).toEqual(before);
    await rename(stackFolder(other), stackFolder(stack));
  });

  it("is not affected by the removal of a copy of its folder", async () => {
    const { process } = (await runningNetwork(stack))!;
    await cp(stackFolder(stack), stackFolder(other), {
      recursive: true,
      filter: (path) => !path.endsWith("/s"),
    });
    expect(isOwn(other, process)).toBe(false);
    expect(await networkRevision(other)).toBe(2);
    await stopNetwork(other);
    await removeStack(other);
    expect(isAlive(process)).toBe(true);
    expect(await runningNetwork(stack)).toBeDefined();
  });

  it("is started again if its process runs but does not answer on its socket", async () => {
    const before = (await runningNetwork(stack))!;
    await rm(join(networkFolder(stack), "s"));
    expect(await networkRevision(stack)).toBe(2);
    const after = await startNetwork(stack);
    expect(after.revision).toBe(2);
    expect(isAlive(before.process)).toBe(false);
    expect(ownProcesses(stack).map(({ pid }) => pid)).toEqual([after.process.pid]);
  });

  it("is found and ended after its folder was deleted, and nothing is left", async () => {
    const { process } = (await runningNetwork(stack))!;
    await rm(stackFolder(stack), { recursive: true });
    expect((await sweep(stack)).map(({ pid }) => pid)).toEqual([process.pid]);
    await removeStack(stack);
    expect(isAlive(process)).toBe(false);
    expect(await sweep(stack)).toEqual([]);
  });
});
