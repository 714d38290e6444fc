// The report's script in the browser: charts in the colours of the page, the figure menu, and copying of tables.
/* global units */
"use strict";

(() => {
  const element = (id) => document.getElementById(id);

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => {
      const rows = [...element(button.dataset.copy).rows].map((row) =>
        [...row.cells].map((cell) => cell.innerText.replace(/\s+/g, " ").trim()).join("\t"),
      );
      copy(rows.join("\n")).then(
        () => (element("copied").textContent = "Copied: paste it into a spreadsheet."),
        () =>
          (element("copied").textContent = "This browser does not allow copying: select the table by hand."),
      );
    });
  }

  // A page opened from disk has no clipboard object in some browsers.
  async function copy(text) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("not allowed");
  }

  const source = element("data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  let charts = [];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const armColour = (index) => colour(`--arm-${Math.min(index, 7)}`);
  const readable = (value) =>
    value === null || value === undefined ? "–" : String(Number(Number(value).toPrecision(3)));

  // What all charts share.
  function base(extra) {
    const [ink, soft, line] = ["--ink", "--soft", "--line"].map(colour);
    const axis = {
      nameTextStyle: { color: soft },
      axisLabel: { color: soft },
      axisLine: { lineStyle: { color: line } },
      splitLine: { lineStyle: { color: line } },
    };
    return {
      animation: false,
      backgroundColor: "transparent",
      textStyle: { color: ink, fontFamily: "inherit" },
      legend: { top: 0, textStyle: { color: ink }, type: "scroll" },
      grid: { left: 12, right: 24, top: 44, bottom: 36, containLabel: true },
      tooltip: {
        trigger: "axis",
        confine: true,
        backgroundColor: colour("--panel"),
        borderColor: line,
        textStyle: { color: ink },
      },
      ...extra(axis),
    };
  }

  function draw(id, option, label) {
    const chart = echarts.init(element(id), null, { renderer: "canvas" });
    chart.setOption(option);
    element(id).setAttribute("aria-label", label);
    charts.push(chart);
    return chart;
  }

  function blocksChart(figure) {
    const series = figure.labels.map((label, index) => {
      const interval = figure.intervals[label];
      const tone = armColour(index + 1);
      return {
        name: label,
        type: "line",
        data: figure.ratios[label],
        connectNulls: false,
        symbol: index === 0 ? "emptyCircle" : "circle",
        symbolSize: 9,
        lineStyle: { width: 1.5, opacity: 0.55, type: index === 0 ? "dashed" : "solid" },
        itemStyle: { color: tone },
        // With many arms, only the one that is pointed at.
        emphasis: { focus: "series" },
        markLine: interval && {
          silent: true,
          symbol: "none",
          label: { show: false },
          lineStyle: { color: tone, width: 2 },
          data: [{ yAxis: interval.centre }],
        },
        markArea: interval && {
          silent: true,
          itemStyle: { color: tone, opacity: figure.labels.length > 3 ? 0.07 : 0.13 },
          data: [[{ yAxis: interval.low }, { yAxis: interval.high }]],
        },
      };
    });
    series.push({
      name: "noise floor",
      type: "line",
      data: [],
      itemStyle: { color: colour("--soft") },
      markLine: {
        silent: true,
        symbol: "none",
        label: { show: false },
        lineStyle: { color: colour("--soft"), type: "dotted" },
        data: figure.noise === null ? [{ yAxis: 1 }] : [{ yAxis: figure.noise }, { yAxis: 1 / figure.noise }],
      },
    });
    const option = base((axis) => ({
      xAxis: {
        type: "category",
        name: "block",
        nameLocation: "middle",
        nameGap: 26,
        data: figure.blocks,
        ...axis,
        splitLine: { show: false },
      },
      yAxis: {
        name: `ratio to ${data.baseline}`,
        ...axis,
        axisLabel: { ...axis.axisLabel, formatter: readable },
        ...ratioAxis(figure),
      },
      series,
    }));
    option.tooltip.valueFormatter = readable;
    // Here and not at the lines, where the labels of many arms would overlap.
    option.legend.formatter = (label) => {
      const interval = figure.intervals[label];
      return interval ? `${label} ${readable(interval.centre)}` : label;
    };
    const parts = figure.labels.map((label) => {
      const interval = figure.intervals[label];
      return interval
        ? `${label} ${readable(interval.centre)}, between ${readable(interval.low)} and ${readable(interval.high)}`
        : "";
    });
    draw(
      "chart-blocks",
      option,
      `${figure.title}, ratio to ${data.baseline} by block. ${parts.filter(Boolean).join("; ")}`,
    );
  }

  // A log axis, or a linear one if all values are so close together that an axis of decades would have no tick.
  function ratioAxis(figure) {
    const values = figure.labels.flatMap((label) => figure.ratios[label]).filter((value) => value !== null);
    const noise = figure.noise === null ? [] : [Math.min(figure.noise, 100), 1 / Math.min(figure.noise, 100)];
    const all = [1, ...values, ...noise];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    if (high / low < 5)
      return { type: "value", scale: true, min: low - (high - low) * 0.1, max: high + (high - low) * 0.1 };
    // Powers of two if decades would leave most of the chart empty.
    const logBase = high / low < 64 ? 2 : 10;
    const power = (round, value) => logBase ** round(Math.log(value) / Math.log(logBase));
    return { type: "log", logBase, min: power(Math.floor, low), max: power(Math.ceil, high) };
  }

  function latencyChart(figure) {
    const labels = Object.keys(figure.latencies);
    const holder = element("chart-latency");
    holder.closest("figure").hidden = labels.length === 0;
    if (labels.length === 0) return;
    const option = base((axis) => ({
      xAxis: {
        type: "log",
        name: figure.latencyUnit,
        nameLocation: "middle",
        nameGap: 26,
        scale: true,
        ...axis,
        axisLabel: { ...axis.axisLabel, formatter: readable },
      },
      yAxis: { type: "value", name: "%", min: 0, max: 100, ...axis },
      series: labels.map((label) => ({
        name: label,
        type: "line",
        step: "end",
        showSymbol: false,
        data: figure.latencies[label],
        itemStyle: { color: armColour(label === data.baseline ? 0 : figure.labels.indexOf(label) + 1) },
        lineStyle: { width: 2, type: label === figure.labels[0] ? "dashed" : "solid" },
      })),
    }));
    option.tooltip.axisPointer = { type: "line" };
    option.tooltip.formatter = (items) =>
      items
        .map(
          (item) =>
            `${item.marker} ${item.seriesName}: ${readable(item.value[1])} % within ${readable(item.value[0])}`,
        )
        .join("<br>");
    draw(
      "chart-latency",
      option,
      `${figure.title}: cumulative distribution of latencies in ${figure.latencyUnit}`,
    );
  }

  function blockTable(figure) {
    const table = element("block-table");
    table.replaceChildren();
    const good = figure.better === "higher" ? "more" : "less";
    table.createCaption().textContent = `${figure.title} (${figure.unit}), ratio to ${data.baseline}: ${good} than 1 is better`;
    const head = table.createTHead().insertRow();
    for (const text of ["Block", ...figure.labels]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = text;
      head.append(cell);
    }
    const body = table.createTBody();
    figure.blocks.forEach((block, index) => {
      const row = body.insertRow();
      for (const value of [block, ...figure.labels.map((label) => figure.ratios[label][index])]) {
        row.insertCell().textContent = typeof value === "number" ? String(value) : "–";
      }
    });
  }

  /** Appends an empty chart with a caption to an element. */
  function chartIn(host, id, text) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = text;
    const chart = document.createElement("div");
    chart.className = "chart";
    chart.id = id;
    chart.setAttribute("role", "img");
    figure.append(caption, chart);
    host.append(figure);
    return chart;
  }

  /** The run's windows as shaded areas behind the lines, with their names on hover. */
  function stretches(windows, styleOf) {
    return {
      silent: false,
      label: { show: false },
      emphasis: { label: { show: true, color: colour("--ink"), position: "insideTop" } },
      data: windows.map((window) => [
        { name: window.title, xAxis: window.from, itemStyle: styleOf(window) },
        { xAxis: window.to },
      ]),
    };
  }

  const runTime = (axis) => ({
    type: "value",
    name: "s since the run began",
    nameLocation: "middle",
    nameGap: 26,
    ...axis,
    splitLine: { show: false },
  });

  function iostatCharts() {
    const host = element("iostat-charts");
    host.replaceChildren();
    if (data.iostat.length === 0) {
      host.textContent = "No iostat file of this run could be read.";
      return;
    }
    for (const entry of data.iostat) {
      const chart = chartIn(host, `iostat-${entry.client}`, `${entry.client}: CPU and ${entry.device}`);
      const names = {
        cpu: "CPU busy %",
        iowait: "CPU waiting for I/O %",
        util: `${entry.device} busy %`,
        read: "read MB/s",
        write: "written MB/s",
      };
      const tones = { cpu: 2, iowait: 5, util: 4, read: 7, write: 3 };
      const series = Object.keys(names).map((key) => ({
        name: names[key],
        type: "line",
        yAxisIndex: key === "read" || key === "write" ? 1 : 0,
        data: entry.lines[key],
        showSymbol: true,
        symbol: "circle",
        symbolSize: entry.lines[key].length < 200 ? 5 : 3,
        connectNulls: false,
        itemStyle: { color: armColour(tones[key]) },
        lineStyle: { width: 1.5 },
      }));
      series[0].markArea = stretches(data.windows, ({ invalid }) => ({
        color: invalid ? colour("--invalid-back") : colour("--band"),
        opacity: 0.55,
      }));
      const option = base((axis) => ({
        xAxis: runTime(axis),
        yAxis: [
          { type: "value", name: "%", min: 0, max: 100, ...axis },
          { type: "value", name: "MB/s", min: 0, ...axis, splitLine: { show: false } },
        ],
        dataZoom: [
          { type: "inside" },
          {
            type: "slider",
            height: 18,
            bottom: 4,
            borderColor: colour("--line"),
            textStyle: { color: colour("--soft") },
          },
        ],
        series,
      }));
      option.grid.bottom = 62;
      option.tooltip.valueFormatter = readable;
      draw(
        chart.id,
        option,
        `iostat of ${entry.client}: CPU busy, waiting for I/O, ${entry.device} busy, read and written MB/s over the run`,
      );
    }
  }

  let metricsDrawn = 0;

  // Draws the metrics of a section when it is opened: runs side by side, with the same axes.
  function metricCharts(details) {
    const holder = details.querySelector(".panels");
    holder.replaceChildren();
    charts = charts.filter((chart) => chart.getDom()?.isConnected || void chart.dispose());
    const own = data.metrics.map((run) => ({
      ...run,
      panels: run.panels.filter(({ section }) => section === details.dataset.section),
    }));
    const titles = [...new Set(own.flatMap(({ panels }) => panels.map(({ title }) => title)))];
    const length = Math.max(
      ...own.flatMap((run) =>
        run.panels.flatMap(({ lines }) => lines.map(({ values }) => run.from + values.length * run.step)),
      ),
    );
    for (const title of titles) {
      const row = document.createElement("div");
      row.className = "beside";
      holder.append(row);
      const shown = own.map((run) => ({ run, panel: run.panels.find((panel) => panel.title === title) }));
      const values = shown.flatMap(({ panel }) => panel?.lines.flatMap((line) => line.values) ?? []);
      const highest = values.reduce((most, value) => Math.max(most, value ?? 0), 0);
      for (const { run, panel } of shown) metricChart(row, run, title, panel, highest, length);
    }
  }

  function metricChart(row, run, title, panel, highest, length) {
    const caption = data.metrics.length > 1 ? `${title}: ${run.run}` : title;
    const chart = chartIn(row, `metric-${++metricsDrawn}`, caption);
    if (!panel) {
      chart.textContent = "nothing in this run";
      chart.setAttribute("aria-label", `${title}: nothing in run ${run.run}`);
      return;
    }
    const format = units[panel.unit] ?? units.short;
    const series = panel.lines.map(({ name, values }) => ({
      name,
      type: "line",
      showSymbol: false,
      connectNulls: false,
      lineStyle: { width: 1.5 },
      data: values.map((value, index) => [run.from + index * run.step, value]),
    }));
    // A separate series, so that hiding a line does not hide the windows.
    series.push({
      type: "line",
      data: [],
      markArea: stretches(run.windows, ({ invalid, label }) => ({
        color: invalid ? colour("--invalid-back") : armColour(run.labels.indexOf(label)),
        opacity: invalid ? 0.55 : 0.16,
      })),
    });
    const option = base((axis) => ({
      xAxis: { ...runTime(axis), min: Math.floor(run.from), max: Math.ceil(length) },
      yAxis: {
        type: "value",
        min: 0,
        max: highest > 0 ? highest : 1,
        ...axis,
        axisLabel: { ...axis.axisLabel, formatter: format, showMaxLabel: false },
      },
      dataZoom: [{ type: "inside" }],
      series,
    }));
    option.legend.data = panel.lines.map(({ name }) => name);
    option.tooltip.valueFormatter = (value) => (value === null || value === undefined ? "–" : format(value));
    draw(chart.id, option, `${title} of run ${run.run}: ${panel.lines.map(({ name }) => name).join(", ")}`);
  }

  const sections = [...document.querySelectorAll("details.metrics")];
  for (const details of sections) {
    details.addEventListener("toggle", () => {
      if (details.open) metricCharts(details);
    });
  }
  const drawMetrics = () => sections.filter(({ open }) => open).forEach(metricCharts);

  // A comparison has no charts of its own.
  const menu = data.figures && element("figure");
  if (menu) {
    for (const figure of data.figures) menu.add(new Option(figure.title, figure.id));
    const hash = decodeURIComponent(location.hash.slice(1));
    menu.value = data.figures.some((figure) => figure.id === hash) ? hash : data.first;
    menu.addEventListener("change", drawAll);
  }

  function drawAll() {
    for (const chart of charts) chart.dispose();
    charts = [];
    drawMetrics();
    if (!menu) return;
    const figure = data.figures.find((entry) => entry.id === menu.value);
    blocksChart(figure);
    latencyChart(figure);
    blockTable(figure);
    iostatCharts();
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("resize", () => charts.forEach((chart) => chart.resize()));
  drawAll();
})();
