/** The form of a rule: for one type of resource, a function from its inputs to their problems. */
import type { ResourceValidation, StackValidation } from "@pulumi/policy";

export type Inputs = Readonly<Record<string, unknown>>;

/** A validation of resources of one type. Each fault is a sentence whose subject is the resource: "has no ...". */
export function forType(type: string, faults: (inputs: Inputs) => string[]): ResourceValidation {
  return (resource, report) => {
    if (resource.type === type) for (const fault of faults(resource.props)) report(fault);
  };
}

/** A validation that requires, for each bucket of the stack, a resource of type `type` that names the bucket. */
export function besideEachBucket(type: string, missing: string): StackValidation {
  return ({ resources }, report) => {
    const named = new Set(
      resources
        .filter((each) => each.type === type || each.type === olderName(type))
        .map((each) => each.props.bucket as unknown),
    );
    for (const bucket of resources.filter((each) => /^aws:s3\/bucket(V2)?:Bucket(V2)?$/.test(each.type)))
      if (!named.has(bucket.props.bucket)) report(`${bucket.name} ${missing}`, bucket.urn);
  };
}

/** A value inside inputs, or undefined. */
export function at(inputs: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? (value as Inputs)[key] : undefined),
    inputs,
  );
}

/** The older name of a type of bucket settings, which programs still use: with V2 at the end. */
export function olderName(type: string): string {
  return type.replace(/^aws:s3\/(bucket\w+):(Bucket\w+)$/, "aws:s3/$1V2:$2V2");
}
