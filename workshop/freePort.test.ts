import { once } from "node:events";
import { createServer } from "node:net";
import { freePort } from "./freePort.ts";

describe("freePort", () => {
  it("returns ports that are free and outside the kernel's range for connections", async () => {
    for (let count = 0; count < 20; count++) {
      const port = await freePort();
      expect(port).toBeGreaterThanOrEqual(10_000);
      expect(port).toBeLessThan(32_768);
      const server = createServer().listen(port, "127.0.0.1");
      await once(server, "listening");
      server.close();
    }
  });
});
