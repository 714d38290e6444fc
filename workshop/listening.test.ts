import { createServer } from "node:net";
import { freePort } from "./freePort.ts";
import { untilListening } from "./listening.ts";

describe("untilListening", () => {
  it("waits for a server that starts later", async () => {
    const port = await freePort();
    const server = createServer();
    setTimeout(() => server.listen(port, "127.0.0.1"), 300);
    const listens = await untilListening(port, () => false);
    expect([listens, server.listening]).toEqual([true, true]);
    server.close();
  });

  it("gives up if the program has ended", async () => {
    let asked = 0;
    expect(await untilListening(await freePort(), () => ++asked > 2)).toBe(false);
  });
});
