/**
 * The provider behind @pulumi/command for tests without machines: it runs local commands, and only records remote ones in a file,
 * because there is no machine to log in to.
 */
import { appendFileSync } from "node:fs";
import type * as provider from "@pulumi/pulumi/provider/provider.js";
import { execa } from "execa";
import { plainProperties, secret, type Properties, type Value } from "../../../plugins/command/wire.ts";

const typeOf = (urn: string): string => urn.split("::")[2]?.split("$").at(-1) ?? "";

export class CommandProvider implements provider.Provider {
  readonly version = "1.2.1";

  check(_: string, __: unknown, news: unknown): Promise<provider.CheckResult> {
    return Promise.resolve({ inputs: news });
  }

  diff(_: string, __: string, olds: Properties, news: Properties): Promise<provider.DiffResult> {
    const before = plainProperties(olds);
    const after = plainProperties(news);
    const changed = Object.keys(after).filter(
      (key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]),
    );
    return Promise.resolve({
      changes: changed.length > 0,
      replaces: changed.filter((key) => key === "triggers"),
    });
  }

  async create(urn: string, inputs: Properties): Promise<provider.CreateResult> {
    return {
      id: urn.split("::").at(-1) ?? "",
      outs: { ...inputs, stdout: await run(urn, "create", inputs) },
    };
  }

  async update(_: string, urn: string, __: Properties, news: Properties): Promise<provider.UpdateResult> {
    return { outs: { ...news, stdout: await run(urn, "update", news) } };
  }

  read(id: string, _: string, props: unknown): Promise<provider.ReadResult> {
    return Promise.resolve({ id, props });
  }

  async delete(_: string, urn: string, props: Properties): Promise<void> {
    if (plainProperties(props).delete !== undefined) await run(urn, "delete", props);
  }
}

async function run(urn: string, operation: string, marked: Properties): Promise<Value> {
  const inputs = plainProperties(marked);
  const name = urn.split("::").at(-1);
  if (typeOf(urn) !== "command:local:Command") {
    const { host } = inputs.connection as { host: string };
    const calls = process.env.DISGRAFS_REMOTE_CALLS;
    if (calls === undefined) throw new Error("DISGRAFS_REMOTE_CALLS must name the file of calls");
    appendFileSync(calls, `${JSON.stringify({ operation, name, host, stdin: inputs.stdin })}\n`);
    return "";
  }
  const command = (inputs[operation] ?? inputs.create) as string;
  const environment = inputs.environment as Record<string, string> | undefined;
  const { stdout } = await execa("/bin/sh", ["-c", command], {
    env: environment,
    input: inputs.stdin as string | undefined,
  });
  return secret(stdout);
}
