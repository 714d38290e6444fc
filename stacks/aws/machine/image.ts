/** Finds the machine image of a kernel once, and keeps it for the stack's life. */
import * as aws from "../resources.ts";
import * as pulumi from "@pulumi/pulumi";
import { kernels, type AwsImageFacts, type Kernel } from "../../../provisioning/kernels.ts";
import { settled } from "../cleanup/lifetime.ts";

export interface ImageArgs {
  readonly kernel: Kernel;
  /** Image from the settings, which overrides the search. */
  readonly image?: string;
}

/** Id of the image for all machines with this kernel. */
export function pinnedImage(args: ImageArgs, opts: pulumi.InvokeOptions): pulumi.Output<string> {
  if (args.image !== undefined) return pulumi.output(args.image);
  const { find } = kernels[args.kernel].aws;
  const name = `image-${args.kernel}`;
  const pinned = settled(name, newest(args.kernel, find, opts), {});
  const urn = pulumi.createUrn(name, "pulumi:index:Stash");
  return pulumi.all([pinned, stillThere(pinned, find, opts), urn]).apply(([id, there, stash]) => {
    if (!there) void pulumi.log.warn(goneMessage(id, args.kernel, stash));
    return id;
  });
}

function goneMessage(id: string, kernel: Kernel, stash: string): string {
  return (
    `pinned image: ${id} (${kernels[kernel].title}) is gone from AWS. Machines that run stay, but none can be made. ` +
    `To take a new image, which replaces the machines: pulumi up --replace '${stash}', or set aws.image.`
  );
}

function newest(
  kernel: Kernel,
  find: AwsImageFacts["find"],
  opts: pulumi.InvokeOptions,
): pulumi.Output<string> {
  if ("parameter" in find) return aws.getParameterOutput({ name: find.parameter }, opts).value;
  return aws
    .getAmiIdsOutput(
      {
        owners: [find.owner],
        filters: [
          { name: "name", values: [find.name] },
          { name: "architecture", values: ["x86_64"] },
          { name: "state", values: ["available"] },
        ],
      },
      opts,
    )
    .ids.apply((ids) => {
      const id = ids[0];
      if (id === undefined)
        throw new Error(
          `no image of ${kernels[kernel].title} (owner ${find.owner}, name ${find.name}) in this region: ` +
            "choose another kernel or region, or set aws.image",
        );
      return id;
    });
}

function stillThere(
  id: pulumi.Output<string>,
  find: AwsImageFacts["find"],
  opts: pulumi.InvokeOptions,
): pulumi.Output<boolean> {
  const owners = ["owner" in find ? find.owner : "amazon"];
  return aws
    .getAmiIdsOutput({ owners, filters: [{ name: "image-id", values: [id] }] }, opts)
    .ids.apply((ids) => ids.length > 0);
}
