/** Runs a policy on made-up resources, for tests. */
import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";

/** What a policy reports for one resource. */
export async function violations(
  policy: ResourceValidationPolicy,
  type: string,
  props: object,
): Promise<string[]> {
  const found: string[] = [];
  const args = { type, props, urn: `urn:pulumi:test::test::${type}::x`, name: "x" };
  for (const validate of [policy.validateResource].flat())
    // A policy reads no more of its arguments than these.
    await validate?.(args as Parameters<NonNullable<typeof validate>>[0], (message) => found.push(message));
  return found;
}

/** What a policy reports for a whole stack. */
export async function stackViolations(
  policy: StackValidationPolicy,
  resources: readonly { readonly type: string; readonly name: string; readonly props: object }[],
): Promise<string[]> {
  const found: string[] = [];
  const args = { resources: resources.map((each) => ({ ...each, urn: `urn:${each.name}` })) };
  await policy.validateStack(args as unknown as Parameters<typeof policy.validateStack>[0], (message) =>
    found.push(message),
  );
  return found;
}
