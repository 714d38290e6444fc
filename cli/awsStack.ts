/** What a command needs to know of a stack on AWS: its settings and what its last `up` said. */
import { Problem } from "./problem.ts";
import type { Pulumi } from "./pulumi.ts";

export interface AwsStackSettings {
  readonly region?: string;
  readonly profile?: string;
  readonly expiresAfter?: string;
}

/** The `aws` part of a stack's configuration, as it is written; empty where there is none. */
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
