/** The graph: a file with its folder, tags and nearest files. A click on a node adds its neighbours. */
import cytoscape from "/vendor/cytoscape.esm.min.mjs";
import { counted, visible } from "./dom.js";

const canvas = document.querySelector("#canvas");
const empty = document.querySelector("#graph-empty");
const says = document.querySelector("#graph-says");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Above this number of nodes, the oldest leaves are removed, to keep the drawing readable. */
const mostNodes = 400;

const probe = document.createElement("span");
document.body.append(probe);

/** A colour of the style sheet as the canvas takes it: light-dark() is resolved only on an element. */
function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

function style() {
  const text = colour("--text");
  return [
    {
      selector: "node",
      style: {
        label: "data(short)",
        color: text,
        "font-family": "system-ui, sans-serif",
        "font-size": 12,
        "text-valign": "bottom",
        "text-margin-y": 6,
        "text-outline-color": colour("--canvas"),
        "text-outline-width": 2.5,
        "min-zoomed-font-size": 7,
        width: 22,
        height: 22,
        "border-width": 2,
        "border-color": colour("--canvas"),
        "overlay-opacity": 0,
      },
    },
    {
      selector: "node[kind = 'file']",
      style: { shape: "round-rectangle", "background-color": colour("--file"), width: 20, height: 24 },
    },
    {
      selector: "node[kind = 'folder']",
      style: { shape: "round-hexagon", "background-color": colour("--folder"), width: 30, height: 26 },
    },
    {
      selector: "node[kind = 'tag']",
      style: {
        shape: "ellipse",
        "background-color": colour("--tag"),
        width: "data(size)",
        height: "data(size)",
      },
    },
    {
      selector: "node[?grown]",
      style: { "font-weight": 600, "border-color": text, "border-width": 1.5 },
    },
    {
      selector: "node.chosen",
      style: {
        "border-color": colour("--accent"),
        "border-width": 3,
        "underlay-color": colour("--accent"),
        "underlay-opacity": 0.18,
        "underlay-padding": 9,
        "underlay-shape": "ellipse",
        "z-index": 10,
      },
    },
    {
      selector: "edge",
      style: {
        width: 1.3,
        "line-color": colour("--line-strong"),
        "curve-style": "haystack",
        "haystack-radius": 0,
        "overlay-opacity": 0,
      },
    },
    { selector: "edge[kind = 'tag']", style: { "line-color": colour("--tag-line") } },
    {
      selector: "edge[kind = 'near']",
      style: {
        "line-style": "dashed",
        "curve-style": "straight",
        "line-color": colour("--file-line"),
        width: 1,
      },
    },
    { selector: "edge.chosen", style: { width: 2.4 } },
  ];
}

const short = (label) => {
  const text = visible(label);
  const characters = [...text];
  return characters.length > 26
    ? `${characters.slice(0, 16).join("")}…${characters.slice(-8).join("")}`
    : text;
};

export class Graph {
  /**
   * @param {{ neighbours: (kind: string, key: string) => Promise<object>, chosen: (node: object) => void,
   *   failed: (error: Error) => void }} actions
   */
  constructor(actions) {
    this.actions = actions;
    this.cy = cytoscape({
      container: canvas,
      style: style(),
      minZoom: 0.15,
      maxZoom: 3,
      boxSelectionEnabled: false,
      autounselectify: true,
    });
    this.cy.on("tap", "node", ({ target }) => this.pick(target));
    this.cy.on("mouseover", "node", ({ target }) => {
      canvas.title = visible(target.data("label"));
      canvas.style.cursor = "pointer";
    });
    this.cy.on("mouseout", "node", () => {
      canvas.removeAttribute("title");
      canvas.style.cursor = "";
    });
    dark.addEventListener("change", () => this.cy.style(style()));
    new ResizeObserver(() => this.cy.resize()).observe(canvas);
    canvas.addEventListener("keydown", (event) => this.key(event));
    document.querySelector("#graph-tools").addEventListener("click", ({ target }) => {
      const act = target.closest("button")?.dataset.act;
      if (act) this.act(act);
    });
    this.say();
  }

  /** Starts anew around one node. */
  async show(kind, key) {
    const turn = (this.turn = {});
    const found = await this.actions.neighbours(kind, key);
    if (turn !== this.turn) return;
    this.cy.elements().remove();
    this.add(found);
    this.choose(this.cy.getElementById(found.centre.id));
    this.arrange(true);
  }

  /** Chooses a node, and adds what is around it. */
  async pick(node) {
    this.choose(node);
    this.actions.chosen(node.data());
    await this.grow(node);
  }

  async grow(node) {
    if (node.data("grown")) return;
    try {
      const { kind, key } = node.data();
      const found = await this.actions.neighbours(kind, key);
      if (node.removed()) return;
      const before = this.cy.nodes().length;
      this.add(found, node.position());
      const added = this.cy.nodes().length - before;
      const more = found.more > 0 ? `; ${found.more} more are not drawn` : "";
      says.textContent = `${visible(node.data("label"))}: ${counted(added, "new node")}${more}`;
      if (added > 0) this.arrange(false);
    } catch (error) {
      this.actions.failed(error);
    }
  }

  add({ centre, nodes, edges }, around) {
    const all = [centre, ...nodes];
    const fresh = all.filter(({ id }) => this.cy.getElementById(id).empty());
    fresh.forEach((node, index) => {
      const angle = (2 * Math.PI * index) / Math.max(1, fresh.length);
      this.cy.add({
        group: "nodes",
        data: {
          ...node,
          short: short(node.label),
          size: 14 + Math.min(20, 4 * Math.log2(1 + (node.count ?? 1))),
        },
        ...(around && {
          position: { x: around.x + 90 * Math.cos(angle), y: around.y + 90 * Math.sin(angle) },
        }),
      });
    });
    for (const edge of edges) {
      if (this.cy.getElementById(edge.id).nonempty()) continue;
      if (this.cy.getElementById(edge.source).empty() || this.cy.getElementById(edge.target).empty())
        continue;
      this.cy.add({ group: "edges", data: edge });
    }
    this.cy.getElementById(centre.id).data("grown", true);
    this.prune();
    this.say();
  }

  /** Drops leaves that were not clicked, the first that came first. */
  prune() {
    const surplus = this.cy.nodes().length - mostNodes;
    if (surplus <= 0) return;
    this.cy
      .nodes()
      .filter((node) => !node.data("grown") && node.degree() <= 1)
      .slice(0, surplus)
      .remove();
  }

  arrange(anew) {
    this.layout?.stop();
    this.layout = this.cy.layout({
      name: "cose",
      animate: calm.matches ? false : "end",
      animationDuration: 350,
      randomize: anew,
      fit: true,
      padding: 48,
      nodeRepulsion: () => 16000,
      idealEdgeLength: (edge) => (edge.data("kind") === "near" ? 130 : 80),
      nodeOverlap: 18,
      gravity: 0.35,
      numIter: anew ? 800 : 400,
      nodeDimensionsIncludeLabels: true,
    });
    this.layout.run();
  }

  choose(node) {
    this.cy.elements().removeClass("chosen");
    if (node.empty()) return;
    node.addClass("chosen");
    node.connectedEdges().addClass("chosen");
    says.textContent = `${node.data("kind")} ${visible(node.data("label"))}, ${counted(node.degree(), "edge")}`;
  }

  get chosen() {
    return this.cy.nodes(".chosen").first();
  }

  /** A file that is gone leaves the graph, and what hung on it alone. */
  drop(inode) {
    const node = this.cy.getElementById(`file:${inode}`);
    const around = node.neighborhood("node");
    node.remove();
    around.filter((each) => each.degree() === 0).remove();
    this.say();
  }

  say() {
    const nothing = this.cy.nodes().empty();
    empty.hidden = !nothing;
    canvas.dataset.nodes = String(this.cy.nodes().length);
    if (nothing && empty.childNodes.length === 0) {
      empty.textContent = "Choose a file or a tag to draw it here with its neighbours.";
    }
  }

  act(name) {
    const centre = { x: this.cy.width() / 2, y: this.cy.height() / 2 };
    if (name === "in") this.cy.zoom({ level: this.cy.zoom() * 1.25, renderedPosition: centre });
    if (name === "out") this.cy.zoom({ level: this.cy.zoom() / 1.25, renderedPosition: centre });
    if (name === "fit") this.cy.animate({ fit: { padding: 48 }, duration: calm.matches ? 0 : 250 });
    if (name === "clear") {
      this.cy.elements().remove();
      this.say();
    }
  }

  key(event) {
    const { key } = event;
    const tools = { "+": "in", "=": "in", "-": "out", 0: "fit" };
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (tools[key]) this.act(tools[key]);
    else if (directions[key]) this.move(...directions[key]);
    else if (key === "Enter" && this.chosen.nonempty()) void this.pick(this.chosen);
    else return;
    event.preventDefault();
  }

  /** Chooses the nearest node in a direction: a step aside costs twice a step ahead. */
  move(dx, dy) {
    const from = this.chosen.nonempty() ? this.chosen : this.cy.nodes().first();
    if (from.empty()) return;
    const here = from.position();
    let best;
    let least = Infinity;
    this.cy.nodes().forEach((node) => {
      const { x, y } = node.position();
      const ahead = (x - here.x) * dx + (y - here.y) * dy;
      const aside = Math.abs((x - here.x) * dy) + Math.abs((y - here.y) * dx);
      const cost = ahead + 2 * aside;
      if (ahead > 1 && cost < least) [best, least] = [node, cost];
    });
    if (!best) return;
    this.choose(best);
    this.actions.chosen(best.data());
    this.cy.animate({ center: { eles: best }, duration: calm.matches ? 0 : 150 });
  }
}
