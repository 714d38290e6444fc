/** The view of one file: preview, facts, tags, and actions. */
import * as api from "./api.js";
import { counted, el, icon, iconOf, size, toast, visible, when } from "./dom.js";

const place = document.querySelector("#file");
const dialog = document.querySelector("#confirm");
const textBytes = 64 * 1024;
const pictureBytes = 32 * 1024 * 1024;
const pictures = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"]);

const states = {
  tagged: "Tagged",
  waiting: "Waiting for tags",
  failed: "Could not be tagged",
};

export class FileView {
  /** @param {{ openTag: (name: string) => void, openFile: (inode: number) => void, openFolder: (path: string) => void,
   *   deleted: (inode: number) => void }} actions */
  constructor(actions) {
    this.actions = actions;
    this.clear();
  }

  clear() {
    this.inode = undefined;
    this.stop?.abort();
    place.replaceChildren(el("div", { class: "empty" }, "Choose a file to see it here."));
  }

  async show(inode) {
    this.inode = inode;
    this.stop?.abort();
    this.stop = new AbortController();
    try {
      const file = await api.facts(inode);
      if (this.inode !== inode) return;
      this.draw(file);
      await this.preview(file, this.stop.signal);
    } catch (error) {
      if (error.name === "AbortError" || this.inode !== inode) return;
      this.fault(error, inode);
    }
  }

  /** Shows the facts anew, without loading the preview again: its tags came. */
  async refresh() {
    const { inode } = this;
    if (inode === undefined) return;
    try {
      const file = await api.facts(inode);
      if (this.inode !== inode) return;
      const old = place.querySelector(".preview");
      const changed = place.dataset.version !== version(file);
      this.draw(file);
      if (old && !changed) place.querySelector(".preview").replaceWith(old);
      else await this.preview(file, this.stop.signal);
    } catch (error) {
      if (error.name !== "AbortError" && this.inode === inode) this.fault(error, inode);
    }
  }

  fault(error, inode) {
    if (error.status === 404) {
      place.replaceChildren(el("div", { class: "empty" }, "This file no longer exists. Search again."));
      this.actions.deleted(inode);
      return;
    }
    place.replaceChildren(
      el(
        "div",
        { class: "empty bad", role: "alert" },
        error.message,
        el("button", { type: "button", onClick: () => void this.show(inode) }, "Try again"),
      ),
    );
  }

  draw(file) {
    place.dataset.version = version(file);
    const name = visible(file.name);
    const parts = [
      el(
        "div",
        { class: "head" },
        el("span", { class: `kind ${file.state}` }, icon(iconOf(file))),
        el("h2", { tabindex: "-1", dir: "auto" }, name),
      ),
      el(
        "div",
        { class: "preview", "aria-busy": "true" },
        el("div", { class: "wait" }, "Loading the preview"),
      ),
      el(
        "div",
        { class: "actions" },
        el(
          "a",
          { class: "button primary", href: api.contentAddress(file.inode), download: file.name },
          "Download",
        ),
        el("button", { type: "button", class: "copy", onClick: () => void copy(file.path) }, "Copy path"),
        el("button", { type: "button", class: "danger quiet", onClick: () => void this.ask(file) }, "Delete"),
      ),
      this.state(file),
      this.tags(file),
      this.near(file),
      el(
        "dl",
        { class: "facts" },
        ...file.paths.flatMap((path, index) => [
          el("dt", {}, index === 0 ? "Path" : "Also at"),
          el("dd", { class: "path", dir: "auto" }, visible(path)),
        ]),
        el("dt", {}, "Folder"),
        el(
          "dd",
          {},
          el(
            "button",
            { type: "button", class: "link", onClick: () => this.actions.openFolder(file.folder) },
            visible(file.folder),
          ),
        ),
        el("dt", {}, "Size"),
        el("dd", {}, size(file.size)),
        el("dt", {}, "Changed"),
        el("dd", {}, when(file.mtime)),
        el("dt", {}, "Type"),
        el("dd", {}, file.type ?? "not known yet"),
        el("dt", {}, "Inode"),
        el("dd", {}, String(file.inode)),
      ),
    ];
    place.replaceChildren(...parts.filter((each) => each !== null));
  }

  state(file) {
    if (file.state === "tagged") return null;
    return el(
      "p",
      { class: `note ${file.state}`, role: "status" },
      el("strong", {}, states[file.state] ?? file.state),
      file.reason
        ? `: ${visible(file.reason)}`
        : file.state === "waiting"
          ? ". It is found by its name already."
          : "",
    );
  }

  tags(file) {
    if (file.tags.length === 0) return null;
    return el(
      "div",
      { class: "block" },
      el("h3", {}, "Tags"),
      el(
        "ul",
        { class: "chips" },
        file.tags.map((tag) =>
          el(
            "li",
            {},
            el(
              "button",
              {
                type: "button",
                class: "chip tag",
                title: `by ${tag.by}, weight ${tag.weight.toFixed(2)}; narrows the search`,
                onClick: () => this.actions.openTag(tag.name),
              },
              visible(tag.name),
            ),
          ),
        ),
      ),
    );
  }

  near(file) {
    if (!file.near?.length) return null;
    return el(
      "div",
      { class: "block" },
      el("h3", {}, "Nearest files"),
      el(
        "ul",
        { class: "near" },
        file.near.map((other) =>
          el(
            "li",
            {},
            el(
              "button",
              { type: "button", class: "link", onClick: () => this.actions.openFile(other.inode) },
              visible(other.name),
            ),
            el("small", {}, `shares ${other.shared.map(visible).join(", ")}`),
          ),
        ),
      ),
    );
  }

  async preview(file, signal) {
    const box = place.querySelector(".preview");
    let content;
    try {
      content = await this.content(file, signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      content = el("div", { class: "wait bad" }, error.message);
    }
    if (signal.aborted) return;
    box.removeAttribute("aria-busy");
    box.replaceChildren(content);
  }

  async content(file, signal) {
    if (file.size === 0) return el("div", { class: "wait" }, "The file is empty.");
    const { type, text, cut } = await api.preview(file.inode, textBytes, signal);
    if (text !== undefined) {
      const shown = el("pre", { tabindex: "0", dir: "auto", "aria-label": "Text of the file" }, text);
      return cut
        ? el("div", {}, shown, el("small", {}, `The first ${size(textBytes)} of ${size(file.size)}.`))
        : shown;
    }
    if (pictures.has(type)) {
      if ((file.size ?? 0) > pictureBytes) {
        return el(
          "div",
          { class: "wait" },
          `A picture of ${size(file.size)}: too large to show. Download it.`,
        );
      }
      const picture = el("img", { alt: `Picture ${visible(file.name)}`, decoding: "async" });
      picture.addEventListener("error", () =>
        picture.replaceWith(el("div", { class: "wait" }, "This picture cannot be shown. Download it.")),
      );
      picture.src = api.contentAddress(file.inode, true);
      return picture;
    }
    return el("div", { class: "wait" }, "No preview of this kind of file. Download it.");
  }

  async ask(file) {
    dialog
      .querySelector(".what")
      .replaceChildren(
        ...file.paths.map((path) => el("code", { dir: "auto" }, visible(path))),
        file.paths.length > 1
          ? el("p", {}, `It has ${counted(file.paths.length, "name")}; all are deleted.`)
          : "",
      );
    dialog.returnValue = "no";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue !== "yes") return;
    try {
      const { deleted } = await api.remove(file.inode);
      toast(`Deleted ${deleted.map(visible).join(", ")}`);
      this.clear();
      this.actions.deleted(file.inode);
    } catch (error) {
      toast(error.message, "bad");
    }
  }
}

const version = (file) => `${file.inode} ${file.mtime} ${file.size}`;

async function copy(path) {
  try {
    await navigator.clipboard.writeText(path);
    toast("Path copied");
  } catch {
    // Without a secure context there is no clipboard: choose the text, so that Ctrl+C does it.
    const shown = place.querySelector(".path");
    getSelection().selectAllChildren(shown);
    toast("The path is selected; press Ctrl+C", "bad");
  }
}
