/**
 * A provider for the few aws types that the lab uses. It accepts the same inputs as @pulumi/aws, and makes the real calls to EC2, S3,
 * IAM and SSM with the AWS SDK, but only to a server on loopback.
 */
import type * as provider from "@pulumi/pulumi/provider/provider.js";
import { hasUnknown, plainProperties, type Properties } from "../../../plugins/command/wire.ts";
import { deadlineTypes } from "./deadlineTypes.ts";
import { resourceTypes } from "./ec2Types.ts";
import { functions } from "./functions.ts";
import { storageTypes } from "./storageTypes.ts";
import type { ResourceType } from "./resourceType.ts";

const types: Readonly<Record<string, ResourceType>> = { ...resourceTypes, ...storageTypes, ...deadlineTypes };

/** Name of the output with the inputs of the last create or update, for the next diff. */
const kept = "__inputs";

export class AwsProvider implements provider.Provider {
  readonly version = "7.48.0";

  constructor() {
    const endpoint = process.env.AWS_ENDPOINT_URL ?? "";
    if (!/^http:\/\/127\.0\.0\.1:\d+$/.test(endpoint))
      throw new Error(`the test provider for aws works on loopback only; AWS_ENDPOINT_URL is "${endpoint}"`);
  }

  check(urn: string, _: unknown, news: Properties): Promise<provider.CheckResult> {
    typeFor(urn);
    return Promise.resolve({ inputs: news });
  }

  diff(_: string, urn: string, olds: Properties, news: Properties): Promise<provider.DiffResult> {
    const type = typeFor(urn);
    const before = (plainProperties(olds)[kept] ?? {}) as Properties;
    const after = plainProperties(news);
    const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .filter((key) => !key.startsWith("__"))
      .filter((key) => stable(before[key]) !== stable(after[key]));
    // An unknown value counts as changed in place.
    const replaces = changed.filter(
      (key) =>
        !hasUnknown(after[key]) &&
        !type.updatable.some((allowed) => allowed === key) &&
        !type.onlyTags?.(key, before, after),
    );
    return Promise.resolve({
      changes: changed.length > 0,
      replaces,
      deleteBeforeReplace: type.deleteBeforeReplace,
    });
  }

  async create(urn: string, inputs: Properties): Promise<provider.CreateResult> {
    const values = plainProperties(inputs);
    const { id, outputs } = await typeFor(urn).create(values, urn.split("::").at(-1) ?? "");
    return { id, outs: { ...inputs, ...outputs, [kept]: inputs } };
  }

  async read(id: string, urn: string, props?: Properties): Promise<provider.ReadResult> {
    const found = await typeFor(urn).read(id, plainProperties(props ?? {}));
    return found === undefined ? { id: "", props: {} } : { id, props: { ...props, ...found } };
  }

  async update(id: string, urn: string, olds: Properties, news: Properties): Promise<provider.UpdateResult> {
    await typeFor(urn).update?.(id, plainProperties(news), plainProperties(olds));
    return { outs: { ...olds, ...news, [kept]: news } };
  }

  async delete(id: string, urn: string, props: Properties): Promise<void> {
    await typeFor(urn).delete(id, plainProperties(props));
  }

  async invoke(token: string, inputs: Properties): Promise<provider.InvokeResult> {
    const call = functions[token];
    if (!call) throw new Error(`the test provider for aws has no function ${token}`);
    return { outputs: await call(plainProperties(inputs)) };
  }
}

function typeFor(urn: string): ResourceType {
  const token = urn.split("::")[2]?.split("$").at(-1) ?? "";
  const type = types[token];
  if (!type) throw new Error(`the test provider for aws has no type ${token}`);
  return type;
}

/** JSON with sorted keys. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
