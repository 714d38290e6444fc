/**
 * The program that the Benchmark component runs when the nodes have measured: `node collectResults.ts`, with what it needs
 * (a secret: how to log in) as JSON on standard input. Prints what came of it as JSON.
 */
import { text } from "node:stream/consumers";
import { collect, requestSchema } from "../benchmarks/collect.ts";
import { hostBetween, hostState } from "../benchmarks/host.ts";
import { UnreadableRun } from "../benchmarks/raw.ts";
import { checkoutState } from "../workshop/checkoutState.ts";
import { usage } from "./aws/cost/cost.ts";

const request = requestSchema.parse(JSON.parse(await text(process.stdin)));
const { stack, services, cost, host } = request;
const used = cost && usage(cost.perHour, new Date(cost.created), new Date());
try {
  const collected = await collect(request, {
    stack,
    services,
    usage: used ?? null,
    host: host ? hostBetween(host, hostState()) : null,
    ...checkoutState(),
  });
  process.stdout.write(JSON.stringify(collected));
} catch (error) {
  if (!(error instanceof UnreadableRun)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
