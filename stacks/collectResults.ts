/**
 * Fetches and analyses the results of a benchmark; the Benchmark component runs it after the measurement. It reads its request
 * as JSON on standard input, because the request contains login secrets, and prints the result as JSON.
 *
 *   node collectResults.ts
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
