/** Bar charts over time with Plotly, in the colours of the page. */

import { make } from "./dom.js";

const LIBRARY = "/static/vendor/plotly.min.js";
/** Plotly adds inline styles for maps, which the policy forbids and nobody draws, unless an element has this id. */
const MAP_STYLES = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";
const OPTIONS = { displayModeBar: false, responsive: true, doubleClick: false };
const drawn = new Map();
let loading;

/** The library is large: it loads beside the page, and again at the next try when it did not arrive. */
function plotly() {
  loading ??= new Promise((resolve, reject) => {
    if (!document.getElementById(MAP_STYLES)) document.head.append(make("meta", { id: MAP_STYLES }));
    const script = make("script", { src: LIBRARY, async: true });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = undefined;
      script.remove();
      reject(new Error("The chart library did not load; the table below has the figures."));
    };
    document.head.append(script);
  });
  return loading;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  const [ink, muted, grid, bar, card] = ["--ink", "--muted", "--line", "--accent", "--card"].map(read);
  return { ink, muted, grid, bar, card };
}

/**
 * Draws bars over a time axis, in place.
 * x: wall-clock texts; y: numbers; hover: texts; width: of a bar, ms; from, to: ends of the axis, wall-clock texts;
 * tick: {tickformat, nticks}; whole: y counts things; gaps: [{from, to, text}] stretches to cut out of the axis.
 */
export async function drawBars(node, chart) {
  const library = await plotly();
  const theme = colours();
  drawn.set(node, chart);
  const trace = {
    type: "bar",
    x: chart.x,
    y: chart.y,
    width: chart.width,
    hovertext: chart.hover,
    hovertemplate: "%{hovertext}<extra></extra>",
    marker: { color: theme.bar, line: { width: 0 } },
  };
  await library.react(node, [trace], layout(chart, theme), OPTIONS);
}

function layout(chart, theme) {
  const gaps = chart.gaps ?? [];
  const { fontFamily: family } = getComputedStyle(document.body);
  return {
    autosize: true,
    margin: { l: 52, r: 26, t: 20, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family, size: 12, color: theme.muted },
    showlegend: false,
    dragmode: false,
    hovermode: "closest",
    hoverdistance: 40,
    hoverlabel: {
      bgcolor: theme.ink,
      bordercolor: theme.ink,
      font: { family, color: theme.card, size: 12 },
      align: "left",
    },
    xaxis: {
      type: "date",
      range: [chart.from, chart.to],
      fixedrange: true,
      showgrid: false,
      linecolor: theme.grid,
      tickangle: 0,
      ticklabeloverflow: "allow",
      ticks: "outside",
      ticklen: 4,
      tickcolor: theme.grid,
      rangebreaks: gaps.map((gap) => ({ bounds: [gap.from, gap.to] })),
      ...chart.tick,
    },
    yaxis: {
      fixedrange: true,
      rangemode: "tozero",
      nticks: 5,
      gridcolor: theme.grid,
      zerolinecolor: theme.grid,
      ...(chart.whole ? wholeTicks(chart.y) : { tickformat: "~s" }),
    },
    shapes: gaps.map((gap) => gapLine(gap, theme)),
    annotations: gaps.map((gap) => gapLabel(gap, theme)),
  };
}

function gapLine({ to }, theme) {
  const line = { color: theme.muted, width: 1, dash: "dot" };
  return { type: "line", x0: to, x1: to, y0: 0, y1: 1, yref: "paper", line };
}

function gapLabel({ to, text }, theme) {
  const place = { x: to, y: 1, yref: "paper", xanchor: "right", yanchor: "bottom", yshift: 2 };
  return { ...place, text, showarrow: false, font: { color: theme.muted, size: 11 } };
}

/** Half an order is no tick. */
function wholeTicks(values) {
  const few = Math.max(0, ...values) < 5;
  return few ? { tickformat: "d", dtick: 1 } : { tickformat: ",d" };
}

/** How many time labels fit side by side. */
export const ticksThatFit = (node) => Math.max(3, Math.floor(node.clientWidth / 110));

/** Draws every chart again when the reader's colour scheme changes. */
export function followColourScheme() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const [node, chart] of drawn) drawBars(node, chart);
  });
}
