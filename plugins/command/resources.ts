/** The interface of a resource type. Inputs and outputs are in wire form: see wire.ts. */
import type { Operation } from "./operation.ts";
import type { Properties } from "./wire.ts";

export interface Fault {
  /** The input at fault. */
  readonly property: string;
  /** What is wrong, what is allowed, what to do. Never a value. */
  readonly reason: string;
}

export interface Checked {
  readonly inputs: Properties;
  readonly faults: readonly Fault[];
}

export interface ResourceType {
  /** Looks at new inputs and completes them. Connects to nothing. */
  check(inputs: Properties): Checked | Promise<Checked>;
  /** Inputs in a form in which equal means no change. */
  comparable(inputs: Properties): Properties;
  /** True when a change of this input makes a new resource. */
  replaces(input: string): boolean;
  /** Outputs that a create or an update will bring, and that a preview cannot know. */
  unknownOutputs(inputs: Properties): readonly string[];
  /** Returns the outputs. */
  create(inputs: Properties, operation: Operation): Promise<Properties>;
  /** Returns the outputs. */
  update(inputs: Properties, previous: Properties, operation: Operation): Promise<Properties>;
  delete(inputs: Properties, previous: Properties, operation: Operation): Promise<void>;
}
