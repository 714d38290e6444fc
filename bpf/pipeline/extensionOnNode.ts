/** Installs an eBPF extension on a machine: copies, checks, loads and verifies it, and removes it completely with the resource. */
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { kernels, isLocalKernel, type Kernel } from "../../provisioning/kernels.ts";
import type { Machine } from "../../provisioning/machine.ts";
import { RemoteFiles, RemoteStep } from "../../provisioning/remote.ts";
import { checkOptions } from "./options.ts";
import { extensions, type ExtensionName } from "../table.ts";

/** A machine's verdict on an extension. */
export type Verdict = Supported | Unsupported;

export interface Supported {
  readonly supported: true;
  /** How it works here, in the extension's own words: `fentry`, `native on ens3`. */
  readonly how: string;
  /** The programs in the kernel, and the number of runs of each during the probe workload. */
  readonly programs: readonly { name: string; id: number; tag: string; runs: number }[];
  /** Further facts from the loader after the probe workload, if it has any: mode, hit ratio, bound. */
  readonly facts?: Readonly<Record<string, string | number | boolean | null>>;
}

export interface Unsupported {
  readonly supported: false;
  readonly reason: string;
  /** What is needed for it to work. */
  readonly needed: string;
}

export interface ExtensionOnNodeArgs {
  readonly machine: Machine;
  readonly extension: ExtensionName;
  /** Folder of a build, with `KERNEL/EXTENSION/` in it (workshop/builder/builder.ts). */
  readonly build: pulumi.Input<string>;
  /** Arguments of the loader. */
  readonly options: readonly pulumi.Input<string>[];
  /** Whether it is an error if the machine cannot run it, instead of only a verdict. Default: false. */
  readonly required?: boolean;
  /** Whether it stays loaded after it is proven. False if benchmark arms switch it. Default: true. */
  readonly keepLoaded?: boolean;
}

/** One extension on one machine. */
export class ExtensionOnNode extends pulumi.ComponentResource {
  /** Known when the extension is loaded and proven, or was found to be unsupported here. */
  readonly verdict: pulumi.Output<Verdict>;

  constructor(name: string, args: ExtensionOnNodeArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:ExtensionOnNode", name, {}, opts);
    const { machine, extension } = args;
    const facts = extensions[extension];
    const options = args.options.map((word) => checkedOption(extension, word));
    const folder = `/opt/disgrafs/extensions/${extension}`;
    const after = opts?.dependsOn;
    const child = { parent: this, ...(after === undefined ? {} : { dependsOn: after }) };
    const files = [
      new RemoteFiles(
        `${name}-bin`,
        {
          machine,
          source: pulumi.interpolate`${args.build}/${buildKernel(machine.kernel)}/${extension}/`,
          path: `${folder}/bin`,
        },
        child,
      ),
      new RemoteFiles(
        `${name}-scripts`,
        { machine, source: fileURLToPath(new URL("./node/", import.meta.url)), path: `${folder}/scripts` },
        child,
      ),
      new RemoteFiles(
        `${name}-probe`,
        {
          machine,
          source: fileURLToPath(new URL(`../${extension}/probe.sh`, import.meta.url)),
          path: `${folder}/probe.sh`,
        },
        child,
      ),
    ];
    const load = new RemoteStep(
      name,
      {
        machine,
        run: {
          file: new URL("./load.sh", import.meta.url),
          args: [
            extension,
            releasePattern(facts.kernels),
            facts.needs.join(","),
            (args.required ?? false) ? "yes" : "no",
            (args.keepLoaded ?? true) ? "yes" : "no",
            ...options,
          ],
        },
        undo: { file: new URL("./remove.sh", import.meta.url), args: [extension] },
        inputs: files.map((copy) => copy.hash),
        timeoutSeconds: 600,
      },
      { parent: this, dependsOn: files },
    );
    this.verdict = load.stdout.apply((text) => parseVerdict(text));
    this.registerOutputs({ verdict: this.verdict });
  }
}

/** The verdict in the last line of load.sh's output. */
export function parseVerdict(text: string): Verdict {
  const line = text.trimEnd().split("\n").at(-1) ?? "";
  try {
    const verdict = JSON.parse(line) as Verdict;
    if (typeof verdict.supported === "boolean") return verdict;
  } catch {
    // The message below shows the actual output.
  }
  throw new Error(`an extension's verdict must be one line of JSON, but was: ${line.slice(0, 200)}`);
}

/** Extended regular expression, for bash, that the releases of these kernels match. */
export function releasePattern(names: readonly Kernel[]): string {
  return names.map((name) => `(${kernels[name].release.source.replaceAll("\\d", "[0-9]")})`).join("|");
}

/** The local kernel whose build a machine gets: its own, or the default one, which libbpf adapts to the running kernel. */
export function buildKernel(kernel: Kernel): Kernel {
  return isLocalKernel(kernel) ? kernel : "debian-13";
}

/** Checks an option for the loader; one that is not known yet is checked when it is known. */
function checkedOption(extension: ExtensionName, word: pulumi.Input<string>): pulumi.Input<string> {
  const checked = (text: string): string => {
    checkOptions(extension, [text]);
    return text;
  };
  return typeof word === "string" ? checked(word) : pulumi.output(word).apply(checked);
}
