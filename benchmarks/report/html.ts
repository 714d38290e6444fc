/** HTML templates that escape all inserted text. */

/** Text that is already markup. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Part = Html | string | number | null | undefined | readonly Part[];

/** A template that escapes its values, unless they are Html. Lists are joined; null and undefined become empty text. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  const text = strings
    .map((string, index) => string + (index < values.length ? render(values[index]) : ""))
    .join("");
  return new Html(text);
}

function render(part: Part): string {
  if (part === null || part === undefined) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "string" || typeof part === "number") return escape(String(part));
  return part.map(render).join("");
}

export function escape(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** Script text for a script element: `</script>` and `<!--` in it cannot end or hide it. */
export function scriptText(text: string): Html {
  return new Html(text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--"));
}

/** JSON for a script element of type application/json. */
export function jsonText(value: unknown): Html {
  return new Html(JSON.stringify(value).replaceAll("<", "\\u003c"));
}
