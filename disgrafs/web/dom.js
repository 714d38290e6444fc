/** Creates elements, and formats sizes, times and kinds. Text from files is always inserted as text, never as markup. */

/** An element with properties, `data-*` and children. `onClick` and the like are listeners. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2).toLowerCase(), value);
    else if (key === "class") element.className = value;
    else if (value === true) element.setAttribute(key, "");
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

const svg = "http://www.w3.org/2000/svg";

export function icon(name) {
  const element = document.createElementNS(svg, "svg");
  element.setAttribute("class", "glyph");
  element.setAttribute("viewBox", "0 0 24 24");
  element.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(svg, "use");
  use.setAttribute("href", `/static/icon.svg#${name}`);
  element.append(use);
  return element;
}

/** The picture that stands for a file, by its type. */
export function iconOf(file) {
  const type = file.type ?? "";
  if (type.startsWith("image/")) return "picture";
  if (type.startsWith("audio/") || type.startsWith("video/")) return "sound";
  if (type.startsWith("text/x-") || type.includes("script")) return "code";
  return "file";
}

const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "size unknown";
  if (bytes === 1) return "1 byte";
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const near = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const far = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const steps = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 7],
];

/** A time in seconds since 1970, in words: near ones as a distance. */
export function when(seconds) {
  if (!seconds) return "time unknown";
  let distance = seconds - Date.now() / 1000;
  for (const [unit, length] of steps) {
    if (Math.abs(distance) < length) return near.format(Math.round(distance), unit);
    distance /= length;
  }
  return far.format(new Date(seconds * 1000));
}

export const counted = (number, one, many = `${one}s`) =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** A name that would reorder the text around it, or hide, shows its control characters as code points. */
export function visible(name) {
  // eslint-disable-next-line no-control-regex
  return name.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `⟨${character.codePointAt(0).toString(16).padStart(2, "0").toUpperCase()}⟩`,
  );
}

let hide;

/** A short message at the bottom of the page. */
export function toast(text, kind = "good") {
  const place = document.querySelector("#toast");
  place.textContent = text;
  place.dataset.kind = kind;
  place.dataset.shown = "yes";
  clearTimeout(hide);
  hide = setTimeout(() => delete place.dataset.shown, kind === "bad" ? 8000 : 3000);
}
