/** All requests to the server. Every failure is a `Fault` whose message contains advice. */

export class Fault extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let signedOut = () => undefined;

/** What to do when the session has ended. */
export function onSignedOut(action) {
  signedOut = action;
}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {
      credentials: "same-origin",
      cache: "no-store",
      ...options,
      headers: { "X-Disgrafs": "page", ...options.headers },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Fault(0, "The server does not answer. Is ./lab open disgrafs still running?");
  }
  if (response.ok) return response;
  if (response.status === 401) signedOut();
  const body = await response.json().catch(() => ({}));
  throw new Fault(response.status, body.error ?? `The server answered ${response.status}. Try again.`);
}

const json = async (path, options) => (await call(path, options)).json();
const query = (values) =>
  new URLSearchParams(Object.entries(values).filter(([, value]) => value !== undefined)).toString();

export const signIn = (token) =>
  call("/api/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
export const isSignedIn = async () => (await json("/api/session")).signedIn;
export const signOut = () => call("/api/session", { method: "DELETE" });
export const search = (q, offset, signal) => json(`/api/search?${query({ q, offset })}`, { signal });
export const suggest = (q, signal) => json(`/api/suggest?${query({ q })}`, { signal });
export const neighbours = (kind, key) => json(`/api/neighbours?${query({ kind, key })}`);
export const facts = (inode) => json(`/api/files/${inode}`);
export const counts = () => json("/api/counts");
export const remove = (inode) => json(`/api/files/${inode}`, { method: "DELETE" });
export const contentAddress = (inode, inline) => `/api/files/${inode}/content${inline ? "?inline=1" : ""}`;

/** The type by which the server would show a file, and its first bytes when that is text. */
export async function preview(inode, most, signal) {
  const response = await call(contentAddress(inode, true), {
    headers: { Range: `bytes=0-${most - 1}` },
    signal,
  });
  const type = (response.headers.get("Content-Type") ?? "").split(";")[0];
  if (type !== "text/plain") {
    await response.body?.cancel();
    return { type };
  }
  const text = new TextDecoder("utf-8").decode(await response.arrayBuffer());
  const whole = Number(/\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? 0);
  return { type, text, cut: whole > most };
}
