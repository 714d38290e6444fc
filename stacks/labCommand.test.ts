import { labCommand } from "./labCommand.ts";

describe("labCommand", () => {
  it.each([
    ["local", "up -c topology=single", "./lab up -c topology=single"],
    ["second", "up -c topology=single", "./lab up --stack second -c topology=single"],
    ["second", "ssh node1 -- uptime", "./lab ssh --stack second node1 -- uptime"],
    ["second", "down", "./lab down --stack second"],
    ["acme/paper", "status", "./lab status --stack acme/paper"],
    ["second", "up -c 'nodes[0].name=a'", "./lab up --stack second -c 'nodes[0].name=a'"],
  ])("names the stack, unless it is the default one: %s, %s", (stack, command, line) => {
    expect(labCommand(stack, command)).toBe(line);
  });
});
