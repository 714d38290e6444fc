/** The engine's log: messages keep their order, go out in few calls, and never make the sender wait. */
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/engine_pb.js";

export type Severity = "debug" | "info" | "warning" | "error";

interface Entry {
  readonly severity: Severity;
  readonly urn: string;
  text: string;
  /** Shown only while the operation runs. */
  readonly passing: boolean;
}

/** Maximum number of characters in one message. */
const largestMessage = 64 * 1024;
/** Maximum number of characters waiting to be sent; output that is faster than the engine reads is left out of the log. */
const largestQueue = 16 * 1024 * 1024;
/** Time limit in milliseconds for the engine to accept one message. */
const sendTimeout = 10_000;

export class EngineLog {
  readonly #send: (entry: Entry) => Promise<void>;
  readonly #queue: Entry[] = [];
  #waiting = 0;
  #leftOut = 0;
  #sending: Promise<void> | undefined;

  constructor(send: (entry: Entry) => Promise<void>) {
    this.#send = send;
  }

  write(severity: Severity, urn: string, text: string, passing = false): void {
    if (this.#waiting > largestQueue) {
      this.#leftOut += text.length;
      return;
    }
    this.#waiting += text.length;
    const last = this.#queue.at(-1);
    const joins = last?.urn === urn && last.severity === severity && last.passing === passing;
    if (last && joins && last.text.length + text.length < largestMessage) last.text += `\n${text}`;
    else this.#queue.push({ severity, urn, text, passing });
    this.#sending ??= this.#drain();
  }

  /** Resolves when everything written so far has been sent. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  async #drain(): Promise<void> {
    await Promise.resolve();
    for (let entry = this.#queue.shift(); entry; entry = this.#queue.shift()) {
      await this.#send(entry);
      this.#waiting -= entry.text.length;
      if (this.#queue.length === 0 && this.#leftOut > 0) {
        const text = `(${this.#leftOut} characters of output are not in this log: they came faster than it takes them)`;
        this.#queue.push({ severity: "info", urn: entry.urn, text, passing: false });
        this.#leftOut = 0;
      }
    }
    this.#waiting = 0;
    this.#sending = undefined;
  }
}

/** A log that goes to the engine at `address`. A message that cannot be sent is dropped: the engine is gone then. */
export function connectEngineLog(address: string): EngineLog {
  const client = new services.EngineClient(address, grpc.credentials.createInsecure(), {
    "grpc.max_send_message_length": -1,
  });
  const { DEBUG, INFO, WARNING, ERROR } = messages.LogSeverity;
  const levels = { debug: DEBUG, info: INFO, warning: WARNING, error: ERROR };
  return new EngineLog((entry) => {
    const request = new messages.LogRequest();
    request.setSeverity(levels[entry.severity]);
    request.setUrn(entry.urn);
    request.setMessage(entry.text);
    request.setEphemeral(entry.passing);
    const options = { deadline: Date.now() + sendTimeout };
    return new Promise((resolve) => {
      client.log(request, new grpc.Metadata(), options, () => {
        resolve();
      });
    });
  });
}
