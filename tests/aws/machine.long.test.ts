/** A machine whose image has the node's packages already: first boot finds nothing to fetch. */
import { machineStory } from "./machineStory.ts";

machineStory("installed");
