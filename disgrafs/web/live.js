/** Live changes of the volume, and the status line. */
import { counts as askCounts } from "./api.js";
import { counted } from "./dom.js";

const place = document.querySelector("#live");
const words = place.querySelector(".words");

export class Live {
  /** @param {(change: { files: number[], gone: boolean }) => void} changed */
  constructor(changed) {
    this.changed = changed;
  }

  start() {
    this.stop();
    this.source = new EventSource("/api/events");
    this.source.addEventListener("counts", ({ data }) => {
      // What happened while the connection was lost is not told again.
      if (place.dataset.state === "lost") this.soon({ files: [], gone: true });
      this.show(JSON.parse(data));
    });
    this.source.addEventListener("changed", ({ data }) => this.soon(JSON.parse(data)));
    this.source.addEventListener("error", () => {
      this.state("lost", "Not connected; trying again");
      // A refusal ends an EventSource for good; a lost connection is taken up by the browser.
      if (this.source?.readyState === EventSource.CLOSED) this.later();
    });
  }

  stop() {
    clearTimeout(this.again);
    this.source?.close();
    this.source = undefined;
  }

  /** Asks once without the stream (it tells of a session that ended), and then takes the stream up again. */
  later() {
    this.stop();
    this.again = setTimeout(() => {
      askCounts().then(
        () => this.start(),
        (error) => {
          if (error.status !== 401) this.later();
        },
      );
    }, 3000);
  }

  show({ states }) {
    const { tagged = 0, waiting = 0, failed = 0 } = states;
    const parts = [counted(tagged + waiting + failed, "file")];
    if (waiting > 0) parts.push(`${waiting.toLocaleString("en")} waiting`);
    if (failed > 0) parts.push(`${failed.toLocaleString("en")} failed`);
    this.state(waiting > 0 ? "busy" : "calm", parts.join(" · "));
  }

  state(state, text) {
    place.dataset.state = state;
    if (words.textContent !== text) words.textContent = text;
  }

  /** Many changes make one refresh. */
  soon(change) {
    this.pending = {
      files: [...(this.pending?.files ?? []), ...change.files].slice(-500),
      gone: (this.pending?.gone ?? false) || change.gone,
    };
    this.timer ??= setTimeout(() => {
      const { pending } = this;
      this.timer = this.pending = undefined;
      this.changed(pending);
    }, 250);
  }
}
