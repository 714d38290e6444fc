// The page of `./lab open dashboard`: draws the table of panels from Prometheus's HTTP API, and refreshes every few seconds.
/* global echarts, units */

const ranges = { "5 min": 300, "15 min": 900, "1 h": 3600, "6 h": 21_600, "24 h": 86_400 };
/** Milliseconds between two refreshes; Prometheus scrapes as often. */
const pause = 5000;
/** Points per line, roughly as many as the pixels can show. */
const points = 240;

const element = (id) => document.getElementById(id);
const make = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

async function ask(path, parameters) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Error(`Prometheus: ${answer.status} ${await answer.text()}`);
  return (await answer.json()).data;
}

/** Fills the labels of a series into a legend such as `{{node}} read` (seriesName.ts). */
const seriesName = (pattern, labels) =>
  pattern.replaceAll(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? "").trim();

async function series({ queries }, range, node) {
  const end = Math.floor(Date.now() / 1000);
  const window = { start: end - range, end, step: Math.max(Math.round(range / points), 5) };
  const answers = await Promise.all(
    queries.map(({ expr }) => ask("api/v1/query_range", { query: expr, ...window })),
  );
  return answers.flatMap(({ result }, index) =>
    result
      // A series of all nodes together has no such label, and is always shown.
      .filter(({ metric }) => node === "" || (metric.member ?? metric.node ?? node) === node)
      .map(({ metric, values }) => ({
        name: seriesName(queries[index].legend, metric),
        type: "line",
        showSymbol: false,
        data: withGaps(values, window.step),
      })),
  );
}

/** Adds a null where samples are missing, so that the line breaks instead of continuing straight. */
function withGaps(values, step) {
  const drawn = [];
  values.forEach(([time, text], index) => {
    const before = values[index - 1]?.[0];
    if (before !== undefined && time - before > 1.5 * step) drawn.push([(before + step) * 1000, null]);
    drawn.push([time * 1000, Number(text)]);
  });
  return drawn;
}

function option(panel, lines, range) {
  const names = lines.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const style = getComputedStyle(document.body);
  const [text, line] = [
    style.getPropertyValue("color"),
    getComputedStyle(element("panels").querySelector("article")).borderColor,
  ];
  const format = units[panel.unit] ?? units.short;
  return {
    animation: false,
    aria: { enabled: true },
    textStyle: { color: text },
    grid: { left: 70, right: 12, top: 10, bottom: 60 },
    legend: { type: "scroll", bottom: 0, data: names, textStyle: { color: text } },
    tooltip: { trigger: "axis", valueFormatter: (value) => (value == null ? "-" : format(value)) },
    xAxis: {
      type: "time",
      min: Date.now() - range * 1000,
      max: Date.now(),
      axisLabel: { color: text, hideOverlap: true },
    },
    yAxis: {
      type: "value",
      min: 0,
      axisLabel: { color: text, formatter: format },
      splitLine: { lineStyle: { color: line } },
    },
    series: lines,
  };
}

/** The turns of a benchmark: {begin, end, words, arm}, times in seconds since 1970. */
async function turnsIn(range) {
  const end = Math.floor(Date.now() / 1000);
  const window = { start: end - range, end, step: Math.max(Math.round(range / points), 5) };
  const { result } = await ask("api/v1/query_range", { query: turns.expr, ...window });
  return result.flatMap(({ metric, values }) => {
    const words = seriesName(turns.legend, metric);
    const found = [];
    for (const [time] of values) {
      const last = found.at(-1);
      // A sample counts until the next one.
      if (last && time <= last.end) last.end = time + window.step;
      else found.push({ begin: time, end: time + window.step, words, arm: metric.arm });
    }
    return found;
  });
}

/** A series without points that carries the turns as shaded areas, and the panel's threshold line. */
function marks(panel, turns) {
  const arms = [...new Set(turns.map(({ arm }) => arm))].sort();
  return {
    type: "line",
    data: [],
    markLine:
      panel.worry === undefined
        ? undefined
        : { silent: true, symbol: "none", label: { show: false }, data: [{ yAxis: panel.worry }] },
    markArea: {
      label: { show: false },
      emphasis: { label: { show: true, position: "insideTop" } },
      data: turns.map(({ begin, end, words, arm }) => [
        {
          name: words,
          xAxis: begin * 1000,
          itemStyle: { color: `hsla(${(arms.indexOf(arm) * 137 + 210) % 360}, 60%, 50%, 0.12)` },
        },
        { xAxis: end * 1000 },
      ]),
    },
  };
}

const { sections, panels, turns } = await (await fetch("panels.json")).json();
const cards = new Map();

for (const [index, section] of sections.entries()) {
  const own = panels.filter((panel) => panel.section === section);
  const id = `section-${index + 1}`;
  element("sections").append(make("a", { href: `#${id}`, textContent: `${index + 1} ${section}` }));
  const grid = make("div", { className: "grid" });
  for (const panel of own) {
    const chart = make("div", { className: "chart" });
    grid.append(
      make(
        "article",
        {},
        make("h3", { textContent: panel.title }),
        make("p", { textContent: panel.description }),
        chart,
      ),
    );
    cards.set(panel, { chart, drawn: undefined });
  }
  element("panels").append(make("h2", { id, textContent: section }), grid);
}

for (const name of Object.keys(ranges)) element("range").append(make("option", { textContent: name }));
element("range").value = "15 min";

function draw(panel, lines, range, measured) {
  const card = cards.get(panel);
  if (lines.length === 0) {
    card.drawn?.dispose();
    card.drawn = undefined;
    card.chart.className = "chart empty";
    card.chart.textContent = panel.needs ? `no data yet: needs ${panel.needs}` : "no data in this time";
    return;
  }
  if (!card.drawn) {
    card.chart.className = "chart";
    card.chart.textContent = "";
    card.drawn = echarts.init(card.chart, undefined, { renderer: "canvas" });
  }
  card.drawn.setOption(option(panel, [...lines, marks(panel, measured)], range), {
    replaceMerge: ["series"],
  });
}

async function look() {
  const range = ranges[element("range").value];
  const node = element("node").value;
  const { result } = await ask("api/v1/query", { query: "up" });
  const nodes = [...new Set(result.map(({ metric }) => metric.node))].sort();
  const known = [...element("node").options].map(({ value }) => value);
  for (const name of nodes.filter((each) => !known.includes(each)))
    element("node").append(make("option", { value: name, textContent: name }));
  const down = result
    .filter(({ value }) => value[1] !== "1")
    .map(({ metric }) => `${metric.job} on ${metric.node}`);
  const measured = await turnsIn(range);
  for (const panel of panels) draw(panel, await series(panel, range, node), range, measured);
  const time = new Date().toLocaleTimeString();
  show(
    down.length > 0
      ? `${time}: no answer from ${down.join(", ")}`
      : `${time}: ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}`,
    down.length > 0,
  );
  document.body.dataset.looks = String(Number(document.body.dataset.looks ?? 0) + 1);
}

function show(text, bad) {
  element("state").textContent = text;
  element("state").className = bad ? "bad" : "";
}

let running = true;
let wake = () => undefined;
function setLive(live) {
  running = live;
  element("live").setAttribute("aria-pressed", String(live));
  element("live").textContent = live ? "Live" : "Stopped";
  if (live) wake();
}

element("live").addEventListener("click", () => setLive(!running));
for (const id of ["range", "node"]) element(id).addEventListener("change", () => wake());
addEventListener("resize", () => cards.forEach(({ drawn }) => drawn?.resize()));
const step = (list, by) => {
  list.selectedIndex = Math.min(Math.max(list.selectedIndex + by, 0), list.options.length - 1);
  list.dispatchEvent(new Event("change"));
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(SELECT|INPUT|BUTTON)$/.test(event.target.tagName))
    return;
  const keys = {
    " ": () => setLive(!running),
    "+": () => step(element("range"), 1),
    "-": () => step(element("range"), -1),
    n: () => {
      const list = element("node");
      list.selectedIndex = (list.selectedIndex + 1) % list.options.length;
      list.dispatchEvent(new Event("change"));
    },
  };
  const action =
    keys[event.key] ??
    (/^[1-9]$/.test(event.key) ? () => element(`section-${event.key}`)?.scrollIntoView() : undefined);
  if (!action) return;
  event.preventDefault();
  action();
});

// Refreshes never overlap. A change of time or node refreshes immediately, also while stopped.
for (;;) {
  const woken = new Promise((resolve) => (wake = resolve));
  try {
    await look();
  } catch (error) {
    show(`no answer: ${error.message}; is the lab up? This page tries again`, true);
  }
  await Promise.race([woken, new Promise((resolve) => setTimeout(resolve, pause))]);
  if (!running) await woken;
}
