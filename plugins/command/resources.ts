/** The interface of a resource type. Inputs and outputs are in wire form: see wire.ts. */
import type { Operation } from "./operation.ts";
import type { Properties } from "./wire.ts";

export interface Fault {
  /** The input at fault. */
  readonly property: string;
  /** Describes the problem, the allowed values and the solution. Never contains a value. */
  readonly reason: string;
}

export interface Checked {
  readonly inputs: Properties;
  readonly faults: readonly Fault[];
}

export interface ResourceType {
  /** Checks new inputs and fills in defaults. Makes no connections. */
  check(inputs: Properties): Checked | Promise<Checked>;
  /** The inputs in a form for comparison: equal means no change. */
  comparable(inputs: Properties): Properties;
  /** True if a change of this input requires a new resource. */
  replaces(input: string): boolean;
  /** Outputs of a create or an update that a preview cannot know. */
  unknownOutputs(inputs: Properties): readonly string[];
  /** Returns the outputs. */
  create(inputs: Properties, operation: Operation): Promise<Properties>;
  /** Returns the outputs. */
  update(inputs: Properties, previous: Properties, operation: Operation): Promise<Properties>;
  delete(inputs: Properties, previous: Properties, operation: Operation): Promise<void>;
}
