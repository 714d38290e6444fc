/** Reads the nodes of a stack from its outputs (stacks/outputs.ts). */
import { Problem } from "./problem.ts";

export interface Node {
  readonly name: string;
  readonly roles: readonly string[];
  /** `uname -r`. */
  readonly kernel: string;
  /** Command line that logs in, run from the checkout. */
  readonly ssh: string;
}

/** The nodes of the last `up`, from the stack's outputs. */
export function nodesOf(stack: string, outputs: Record<string, unknown> | undefined): Node[] {
  const nodes = outputs?.nodes as Node[] | undefined;
  if (nodes === undefined) throw new Problem(`stack "${stack}" has no nodes; run ./lab up --stack ${stack}`);
  return nodes;
}

/** Whether a stack's nodes are on this computer: those on AWS have an expiry (stacks/target.ts). */
export function areLocal(outputs: Record<string, unknown> | undefined): boolean {
  return (outputs?.targetFacts as { expires?: string } | undefined)?.expires === undefined;
}

/** The node with a name. */
export function nodeNamed(nodes: readonly Node[], name: string): Node {
  const node = nodes.find((each) => each.name === name);
  if (node) return node;
  throw new Problem(`there is no node "${name}"; nodes: ${nodes.map((each) => each.name).join(", ")}`);
}
