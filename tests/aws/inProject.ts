/**
 * What `./lab up`, `./lab down` and `./lab extend TIME` do to a stack, in another project's folder and with this
 * process's own environment: `inProject.ts FOLDER STACK up|destroy|extend [TIME]`.
 */
import { extendStack } from "../../cli/commands/extend.ts";
import { Pulumi } from "../../cli/pulumi.ts";

const [folder = "", stack = "", verb = "", time = ""] = process.argv.slice(2);
const pulumi = new Pulumi({ backend: "user", set: {}, unset: [], notes: [] }, stack, folder);
process.exitCode =
  verb === "extend" ? await extendStack(pulumi, time) : await pulumi.run(verb, "--yes", "--skip-preview");
