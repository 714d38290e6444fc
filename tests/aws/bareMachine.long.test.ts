/** A machine of a bare image: its first boot installs the node's packages from the registries. Takes up to an hour. */
import { machineStory } from "./machineStory.ts";

machineStory("bare");
