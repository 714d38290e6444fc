// Formats values by the unit names of the table of panels. A classic script: the live page and a benchmark's
// report both load it before their own.
"use strict";

const units = (() => {
  const byName = {
    s: (value) =>
      scaled(value, [
        [1, "s"],
        [1e-3, "ms"],
        [1e-6, "µs"],
        [1e-9, "ns"],
      ]),
    bytes: (value) => `${binary(value)}B`,
    Bps: (value) => `${binary(value)}B/s`,
    ops: (value) => `${decimal(value)}/s`,
    iops: (value) => `${decimal(value)}/s`,
    percentunit: (value) => `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`,
    short: (value) => decimal(value),
  };
  const digits = (value) => (value >= 100 || value === 0 ? value.toFixed(0) : value.toPrecision(3));
  function scaled(value, steps) {
    const [size, name] = steps.find(([step]) => Math.abs(value) >= step) ?? steps.at(-1);
    return value === 0 ? "0" : `${digits(value / size)} ${name}`;
  }
  const binary = (value) =>
    scaled(value, [
      [2 ** 30, "Gi"],
      [2 ** 20, "Mi"],
      [2 ** 10, "Ki"],
      [1, ""],
    ]);
  const decimal = (value) =>
    scaled(value, [
      [1e9, "G"],
      [1e6, "M"],
      [1e3, "k"],
      [1, ""],
    ]).trim();
  return byName;
})();
