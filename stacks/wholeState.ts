/**
 * Reads of the engine's state beside an update. After each step the engine replaces the state's file at once, but not the file of
 * its attributes beside it, which is empty for a moment (gocloud.dev's fileblob, setAttrs).
 */
import { setTimeout as sleep } from "node:timers/promises";

const ATTEMPTS = 50;
const metWrite = (text: string): boolean => /failed to load checkpoint: (unexpected )?EOF/.test(text);

/** Reads the state, again if it met a write. `failure` is the message of an answer that is a failure; others are thrown. */
export async function whenWhole<T>(
  read: () => Promise<T>,
  failure: (answer: T) => string = () => "",
  pauseMs = 100,
): Promise<T> {
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    try {
      const answer = await read();
      if (!metWrite(failure(answer))) return answer;
    } catch (error) {
      if (!metWrite(String(error))) throw error;
    }
    await sleep(pauseMs);
  }
  return read();
}
