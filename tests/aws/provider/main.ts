/** Starts one of the two test providers: `main.ts aws|command ENGINE`. */
import { main } from "@pulumi/pulumi/provider/server.js";
import { AwsProvider } from "./awsProvider.ts";
import { CommandProvider } from "./commandProvider.ts";

const [kind, ...args] = process.argv.slice(2);
// Standard input ends when the engine ends, even if a test killed it.
process.stdin
  .on("end", () => process.exit(0))
  .on("error", () => process.exit(0))
  .resume();
await main(kind === "aws" ? new AwsProvider() : new CommandProvider(), args);
