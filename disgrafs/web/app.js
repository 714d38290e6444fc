/** The page: signs in, and connects search, results, graph and file. Its state is in the fragment of the URL. */
import * as api from "./api.js";
import { toast } from "./dom.js";
import { FileView } from "./file.js";
import { Graph } from "./graph.js";
import { Live } from "./live.js";
import { Results } from "./results.js";
import { SearchField } from "./search.js";

const signInPage = document.querySelector("#sign-in");
const app = document.querySelector("#app");
const phone = matchMedia("(max-width: 760px)");
let parts;

/** The view that a phone shows; a wide screen shows all three. */
function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll("nav button")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}

function build() {
  const search = new SearchField((text) => goTo({ q: text }));
  const openFile = (inode) => goTo({ file: inode }, "file");
  const openTag = (name) => {
    search.narrow("tag", name);
    draw("tag", name);
    if (phone.matches) view("results");
  };
  const openFolder = (path) => {
    search.narrow("in", path);
    if (phone.matches) view("results");
  };
  const results = new Results({ openFile, openTag });
  const graph = new Graph({
    neighbours: api.neighbours,
    failed: (error) => toast(error.message, "bad"),
    chosen: (node) => {
      if (node.kind === "file") goTo({ file: node.key, drawn: true });
    },
  });
  const deleted = (inode) => {
    results.drop(inode);
    graph.drop(inode);
    if (Number(here().file) === inode) goTo({ file: undefined }, phone.matches ? "results" : undefined);
  };
  const file = new FileView({ openTag, openFile, openFolder, deleted });
  const live = new Live(({ files }) => {
    void results.refresh();
    if (files.includes(file.inode)) void file.refresh();
  });
  return { search, results, graph, file, live };
}

/** What the address says is shown. */
const here = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

let shown = {};

/** Changes the address, and the page with it. */
function goTo(change, next) {
  const { drawn, ...rest } = change;
  const now = Object.fromEntries(
    Object.entries({ ...here(), ...rest }).filter(([, value]) => value !== undefined && value !== ""),
  );
  const hash = `#${new URLSearchParams(now)}`;
  if (hash !== (location.hash || "#")) {
    // A search that is still typed replaces its own entry; a file that was opened gets one.
    if ("q" in rest) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
  }
  if (next) view(next);
  show(drawn);
}

function show(drawn = false) {
  const { q = "", file } = here();
  if (q !== shown.q) {
    if (parts.search.text !== q.trim()) parts.search.text = q;
    parts.search.drawFilters();
    void parts.results.search(q);
  }
  if (file !== shown.file) {
    if (file) {
      void parts.file.show(Number(file));
      if (!drawn) draw("file", file);
    } else parts.file.clear();
    parts.results.mark(file);
  }
  shown = { q, file };
}

function draw(kind, key) {
  parts.graph.show(kind, key).catch((error) => {
    if (error.status !== 404) toast(error.message, "bad");
  });
}

function enter() {
  signInPage.hidden = true;
  app.hidden = false;
  parts ??= build();
  shown = {};
  show();
  parts.live.start();
  if (!phone.matches) parts.search.focus();
}

function leave() {
  parts?.live.stop();
  app.hidden = true;
  signInPage.hidden = false;
  document.querySelector("#token").focus();
}

api.onSignedOut(leave);

signInPage.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = document.querySelector("#token");
  const fault = signInPage.querySelector(".fault");
  fault.textContent = "";
  try {
    await api.signIn(field.value.trim());
    field.value = "";
    enter();
  } catch (error) {
    fault.textContent = error.message;
    field.select();
  }
});

document.querySelector("#sign-out").addEventListener("click", () => {
  void api.signOut().then(leave, (error) => toast(error.message, "bad"));
});
document.querySelector(".brand").addEventListener("click", (event) => {
  event.preventDefault();
  history.pushState(null, "", "#");
  parts.graph.act("clear");
  view("results");
  show();
});
for (const button of document.querySelectorAll("nav button")) {
  button.addEventListener("click", () => view(button.dataset.view));
}
addEventListener("popstate", () => show());
view("results");

api.isSignedIn().then(
  (signedIn) => (signedIn ? enter() : leave()),
  (error) => {
    leave();
    signInPage.querySelector(".fault").textContent = error.message;
  },
);
