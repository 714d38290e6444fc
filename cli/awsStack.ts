/** Reads the settings of a stack on AWS, and the outputs of its last `up`, for the commands. */
import { Problem } from "./problem.ts";
import type { Pulumi } from "./pulumi.ts";

export interface AwsStackSettings {
  readonly region?: string;
  readonly owner?: string;
  readonly profile?: string;
  readonly expiresAfter?: string;
}

/** The `aws` part of a stack's configuration, unparsed; empty if there is none. */
export async function awsSettingsOf(pulumi: Pulumi): Promise<AwsStackSettings> {
  const text = await pulumi.read("config", "--json");
  if (text === undefined) return {};
  const config = JSON.parse(text) as Record<
    string,
    { objectValue?: AwsStackSettings; value?: string } | undefined
  >;
  const entry = Object.entries(config).find(([key]) => key.endsWith(":aws"))?.[1];
  return entry?.objectValue ?? (JSON.parse(entry?.value ?? "{}") as AwsStackSettings);
}

export interface AwsFacts {
  /** The stack's current run id. */
  readonly run: string;
  readonly region: string;
  readonly created: string;
  readonly expires: string;
  readonly costEstimate: {
    readonly perHour: number | "unknown";
    readonly untilExpiry: number | "unknown";
    readonly basis: string;
  };
}

/** What the last `up` said about a stack's time and cost. */
export function awsFactsOf(stack: string, outputs: Record<string, unknown> | undefined): AwsFacts {
  const facts = outputs?.targetFacts as AwsFacts | undefined;
  if (facts?.expires === undefined)
    throw new Problem(
      `stack "${stack}" is not up on AWS; run ./lab up --stack ${stack} -c target=aws (docs/aws.md)`,
    );
  return facts;
}

/** Makes the AWS SDKs of this process use the settings' profile, unless the user has chosen another. */
export function useProfile({ profile }: AwsStackSettings): void {
  if (profile !== undefined) process.env.AWS_PROFILE ??= profile;
}

/**
 * The current state of each node's machine according to EC2, in words; a stack's outputs only describe its last `up`. If EC2
 * cannot be queried, each state says so.
 */
export async function ec2States(stack: string, nodes: readonly string[], facts: AwsFacts): Promise<string[]> {
  try {
    // Loaded on demand: the AWS SDK would slow the start of every other command.
    const { machineStates } = await import("../stacks/aws/machine/states.ts");
    const states = await machineStates(facts.region, stack, facts.run);
    return nodes.map((node) => {
      const found = states.find((each) => each.node === node);
      if (!found) return "not running, EC2 has no such machine";
      if (found.state !== "running") return `not running (${found.state})`;
      return found.trouble === undefined ? "running" : `running, but ${found.trouble}`;
    });
  } catch (error) {
    const reason = error instanceof Error ? error.name : String(error);
    return nodes.map(() => `not known: EC2 could not be asked (${reason})`);
  }
}
