/** A machine whose image already has the node's packages, so that its first boot downloads nothing. */
import { machineStory } from "./machineStory.ts";

machineStory("installed");
