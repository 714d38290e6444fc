/** The nodes of a stack, as its outputs tell. */
import { Problem } from "./problem.ts";
import type { Pulumi } from "./pulumi.ts";

export interface Node {
  readonly name: string;
  readonly roles: readonly string[];
  readonly kernel: string;
  /** A command line that logs in. */
  readonly ssh: string;
}

/** The nodes of the last `up`. */
export async function nodesOf(pulumi: Pulumi): Promise<Node[]> {
  const nodes = (await pulumi.outputs())?.nodes as Node[] | undefined;
  if (nodes === undefined)
    throw new Problem(`stack "${pulumi.stack}" has no nodes; run ./lab up --stack ${pulumi.stack}`);
  return nodes;
}
