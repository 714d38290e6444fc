/**
 * Does to a stack what `./lab up`, `down`, `extend TIME`, `status` and `sweep --aws --stack STACK --yes` do, in another project's folder
 * and with this process's environment: `inProject.ts FOLDER STACK up|destroy|status|sweep|extend [TIME]`.
 */
import { extendStack } from "../../cli/commands/extend.ts";
import { showStatus } from "../../cli/commands/status.ts";
import { sweepAws } from "../../cli/commands/sweep.ts";
import { Pulumi } from "../../cli/pulumi.ts";

const [folder = "", stack = "", verb = "", time = ""] = process.argv.slice(2);
const pulumi = new Pulumi({ backend: "user", set: {}, unset: [], notes: [] }, stack, folder);
const sweeping = { stack, owner: [], everyone: false, withData: false, dryRun: false, yes: true };
if (verb === "extend") process.exitCode = await extendStack(pulumi, time);
else if (verb === "sweep") process.exitCode = await sweepAws(pulumi, sweeping);
else if (verb === "status") process.exitCode = await showStatus(pulumi);
else process.exitCode = await pulumi.run(verb, "--yes", "--skip-preview");
