/** The search field with suggestions and filters. */
import * as api from "./api.js";
import { el, icon, visible } from "./dom.js";

const form = document.querySelector("#search");
const field = document.querySelector("#query");
const list = document.querySelector("#suggestions");
const filters = document.querySelector("#filters");

/** Splits as the server does: at white space, and not within double quotes. */
export const partsOf = (text) => text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];

/** A part for a tag or a folder; quoted where it has a space. */
export const part = (key, value) =>
  /[\s"]/.test(value) ? `${key}:"${value.replaceAll('"', "")}"` : `${key}:${value}`;

export class SearchField {
  /** @param {(text: string) => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.active = -1;
    field.addEventListener("input", () => this.soon());
    field.addEventListener("keydown", (event) => this.key(event));
    field.addEventListener("blur", () =>
      setTimeout(() => {
        if (document.activeElement !== field) this.close();
      }, 150),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.close();
      this.changed(this.text);
    });
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input, textarea, dialog[open]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      field.focus();
      field.select();
    });
  }

  get text() {
    return field.value.trim();
  }

  set text(value) {
    field.value = value;
    this.drawFilters();
  }

  focus() {
    field.focus();
  }

  /** Adds a filter; one folder at a time, since no file is in two of which neither holds the other. */
  narrow(key, value) {
    const others = partsOf(this.text).filter(
      (each) => each !== part(key, value) && !(key === "in" && each.startsWith("in:")),
    );
    this.text = [...others, part(key, value)].join(" ");
    this.changed(this.text);
  }

  drawFilters() {
    const parts = partsOf(this.text).filter((each) => /^(tag|in):/.test(each));
    filters.replaceChildren(
      ...parts.map((each) => {
        const [, key, value] = /^(tag|in):(.*)$/s.exec(each);
        const shown = visible(value.replaceAll('"', ""));
        return el(
          "button",
          {
            type: "button",
            class: `chip ${key === "tag" ? "tag" : "folder"}`,
            "aria-label": `Remove the filter ${key}:${shown}`,
            onClick: () => {
              this.text = partsOf(this.text)
                .filter((other) => other !== each)
                .join(" ");
              this.changed(this.text);
            },
          },
          icon(key === "tag" ? "tag" : "folder"),
          shown,
          el("span", { class: "x", "aria-hidden": "true" }, "×"),
        );
      }),
    );
  }

  /** Search as it is typed, a moment after the last key. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.drawFilters();
      this.changed(this.text);
      void this.suggest();
    }, 180);
  }

  async suggest() {
    this.stop?.abort();
    this.stop = new AbortController();
    const last = partsOf(field.value).at(-1);
    if (!last || /\s$/.test(field.value) || document.activeElement !== field) return this.close();
    try {
      const { suggestions } = await api.suggest(last, this.stop.signal);
      this.open(suggestions);
    } catch {
      this.close();
    }
  }

  open(suggestions) {
    this.active = -1;
    list.replaceChildren(
      ...suggestions.map((one, index) =>
        el(
          "li",
          {
            role: "option",
            id: `suggestion-${index}`,
            "aria-selected": "false",
            "data-kind": one.kind,
            "data-text": one.kind === "file" ? one.text : part(one.kind === "tag" ? "tag" : "in", one.text),
            onMousedown: (event) => {
              event.preventDefault();
              this.take(index);
            },
          },
          icon(one.kind),
          el("span", { dir: "auto" }, visible(one.text)),
          one.count === undefined || one.count === null ? null : el("small", {}, String(one.count)),
        ),
      ),
    );
    const shown = suggestions.length > 0;
    list.hidden = !shown;
    field.setAttribute("aria-expanded", String(shown));
    field.removeAttribute("aria-activedescendant");
  }

  close() {
    clearTimeout(this.timer);
    this.stop?.abort();
    this.open([]);
  }

  take(index) {
    const { text } = list.children[index].dataset;
    const kept = partsOf(field.value).slice(0, -1);
    // A file's name goes in as the words that the server makes of it.
    this.text = `${[...kept, text].join(" ")} `.trimStart();
    this.close();
    this.changed(this.text);
    field.focus();
  }

  mark(index) {
    const options = [...list.children];
    this.active = options.length === 0 ? -1 : (index + options.length) % options.length;
    options.forEach((option, each) => option.setAttribute("aria-selected", String(each === this.active)));
    if (this.active >= 0) {
      field.setAttribute("aria-activedescendant", `suggestion-${this.active}`);
      options[this.active].scrollIntoView({ block: "nearest" });
    }
  }

  key(event) {
    const open = !list.hidden;
    if (event.key === "ArrowDown" && open) this.mark(this.active + 1);
    else if (event.key === "ArrowUp" && open) this.mark(this.active < 0 ? -1 : this.active - 1);
    else if (event.key === "ArrowDown") document.querySelector("#result-list button")?.focus();
    else if (event.key === "Enter" && open && this.active >= 0) this.take(this.active);
    else if (event.key === "Tab" && open && this.active >= 0) this.take(this.active);
    else if (event.key === "Escape" && open) this.close();
    else return;
    event.preventDefault();
  }
}
