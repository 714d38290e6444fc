/** The list of files found by a search, and the tags for filtering it. */
import * as api from "./api.js";
import { counted, el, icon, iconOf, size, visible, when } from "./dom.js";

const list = document.querySelector("#result-list");
const count = document.querySelector("#result-count");
const more = document.querySelector("#more");

export class Results {
  /** @param {{ openFile: (inode: number) => void, openTag: (name: string) => void }} actions */
  constructor(actions) {
    this.actions = actions;
    this.text = "";
    this.files = [];
    more.addEventListener("click", () => void this.load(this.files.length));
    list.addEventListener("keydown", (event) => this.key(event));
  }

  async search(text) {
    this.text = text;
    await this.load(0);
  }

  /** The same search again, in place: files came or went. */
  async refresh() {
    if (this.files.length <= 100) await this.load(0, true);
  }

  async load(offset, quiet = false) {
    this.stop?.abort();
    clearTimeout(this.again);
    const stop = (this.stop = new AbortController());
    if (!quiet) list.setAttribute("aria-busy", "true");
    try {
      const found = await api.search(this.text, offset, stop.signal);
      if (stop.signal.aborted) return;
      this.files = offset === 0 ? found.files : [...this.files, ...found.files];
      this.draw(found);
    } catch (error) {
      if (error.name !== "AbortError") this.fault(error);
    } finally {
      if (this.stop === stop) list.removeAttribute("aria-busy");
    }
  }

  draw(found) {
    this.volume = found.volume;
    const focused = document.activeElement?.closest?.("#result-list button")?.dataset.inode;
    list.replaceChildren(...this.files.map((file) => this.row(file)));
    more.hidden = !found.more;
    const asked = this.text !== "";
    count.textContent = asked ? counted(found.total, "file") : "Newest files";
    this.drawTags(found.tags);
    if (this.files.length === 0) {
      count.textContent = "";
      list.replaceChildren(el("li", { class: "empty" }, ...emptyWords(asked, found)));
    }
    if (focused) list.querySelector(`button[data-inode="${focused}"]`)?.focus();
    this.mark(this.chosen);
  }

  drawTags(tags) {
    document.querySelector("#narrow")?.remove();
    if (tags.length === 0) return;
    count.before(
      el(
        "ul",
        { id: "narrow", class: "chips", "aria-label": "Narrow by a tag" },
        tags.map(({ name, count: times }) =>
          el(
            "li",
            {},
            el(
              "button",
              { type: "button", class: "chip tag", onClick: () => this.actions.openTag(name) },
              visible(name),
              el("small", {}, String(times)),
            ),
          ),
        ),
      ),
    );
  }

  row(file) {
    const state =
      file.state === "tagged"
        ? null
        : el("span", { class: `state ${file.state}` }, file.state === "failed" ? "no tags" : "waiting");
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", "data-inode": file.inode, onClick: () => this.actions.openFile(file.inode) },
        icon(iconOf(file)),
        el("span", { class: "name", dir: "auto" }, visible(file.name)),
        el("span", { class: "where", dir: "auto" }, visible(below(this.volume, file.folder))),
        el("span", { class: "more" }, `${size(file.size)} · ${when(file.mtime)}`, state),
        el(
          "span",
          { class: "tags" },
          file.tags.slice(0, 4).map((tag) => el("i", {}, visible(tag.name))),
        ),
      ),
    );
  }

  mark(inode) {
    this.chosen = inode;
    for (const button of list.querySelectorAll("button")) {
      if (button.dataset.inode === String(inode)) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  drop(inode) {
    this.files = this.files.filter((file) => file.inode !== inode);
    list.querySelector(`button[data-inode="${inode}"]`)?.closest("li").remove();
  }

  fault(error) {
    // A server that is down may come back; an invalid search stays invalid.
    if (error.status === 0 || error.status === 503) {
      this.again = setTimeout(() => void this.load(0, true), 3000);
      if (list.querySelector("[role=alert]")?.dataset.says === error.message) return;
    }
    more.hidden = true;
    count.textContent = "";
    list.replaceChildren(
      el(
        "li",
        { class: "empty bad", role: "alert", "data-says": error.message },
        error.message,
        el("button", { type: "button", onClick: () => void this.load(0) }, "Try again"),
      ),
    );
  }

  key(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const buttons = [...list.querySelectorAll("button")];
    const here = buttons.indexOf(document.activeElement);
    const next = here + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    if (next < 0) document.querySelector("#query").focus();
    else buttons[next]?.focus();
  }
}

/** A folder as seen from the volume's root, which all paths share. */
const below = (volume, folder) => (folder === volume ? "/" : folder.slice(volume.length + 1));

/** What an empty list says: why it is so, and what to do. */
function emptyWords(asked, { volume }) {
  if (!asked) {
    return [
      el("strong", {}, "The volume is empty."),
      el("p", {}, "Copy a file to it on any node; it appears here within a second:"),
      el("code", {}, `cp FILE ${volume}/`),
    ];
  }
  return [
    el("strong", {}, "No file matches all of these."),
    el(
      "ul",
      {},
      el("li", {}, "Remove a word or a filter."),
      el("li", {}, "Type only the beginning of a word: ", el("code", {}, "elep")),
      el("li", {}, "A file that was just written may still be waiting for tags."),
    ),
  ];
}
