import type { Plot } from './section.js';

interface Line {
  readonly name: string;
  /** One value per unit of x, from 0. */
  readonly values: readonly number[];
}

export interface LinePlotOptions {
  readonly name: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** What is shaded, on x. */
  readonly shaded: { readonly from: number; readonly to: number; readonly label: string };
  readonly lines: readonly Line[];
}

/** The part of echarts that is used; see `peers.ts`. */
interface Charts {
  init(
    dom: null,
    theme: null,
    options: { renderer: 'svg'; ssr: true; width: number; height: number },
  ): { setOption(option: object): void; renderToSVGString(): string; dispose(): void };
}

const WIDTH = 900;
const HEIGHT = 460;

interface Stroke {
  readonly color: string;
  readonly width?: number;
  readonly type?: 'solid' | 'dashed';
}

/** Each client looks the same in every plot, in colours that differ for colour-blind readers, too (Okabe and Ito). */
const STROKES: Readonly<Record<string, Stroke>> = {
  'bare axios': { color: '#000000' },
  'axios-retry': { color: '#d55e00' },
  'axios-retry, timeouts too': { color: '#d55e00', type: 'dashed' },
  'axios-retry + opossum': { color: '#e69f00' },
  'retry-axios': { color: '#cc79a7' },
  cockatiel: { color: '#999999' },
  'axios-resilience, no breaker': { color: '#56b4e9', type: 'dashed' },
  'axios-resilience': { color: '#0072b2', width: 3.5 },
  'axios-resilience, adaptiveLimit()': { color: '#009e73', width: 3.5 },
};

/** As the strokes are listed, so that the thick lines lie above the thin ones. */
const DRAWN = Object.keys(STROKES);

function strokeOf(name: string): Stroke {
  const stroke = STROKES[name];
  if (!stroke) throw new Error(`No stroke for ${name}`);
  return stroke;
}

export async function linePlot({ name, title, x, y, shaded, lines }: LinePlotOptions): Promise<Plot> {
  const drawn = lines.toSorted((a, b) => DRAWN.indexOf(a.name) - DRAWN.indexOf(b.name));
  const library = 'echarts';
  const charts = (await import(library)) as Charts;
  const chart = charts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: drawn.map((line) => strokeOf(line.name).color),
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 0, icon: 'roundRect', itemHeight: 4, textStyle: { padding: [0, 28, 0, 0] } },
    grid: { left: 60, right: 30, top: 50, bottom: 105 },
    xAxis: { type: 'value', name: x, nameLocation: 'middle', nameGap: 28, min: 0, max: 'dataMax' },
    yAxis: { type: 'value', name: y, nameLocation: 'middle', nameGap: 40, min: 0 },
    series: drawn.map((line, index) => ({
      name: line.name,
      type: 'line',
      showSymbol: false,
      lineStyle: { width: 2, ...strokeOf(line.name) },
      data: line.values.map((value, position) => [position, value]),
      ...(index === 0 && {
        markArea: {
          silent: true,
          itemStyle: { color: '#f0e442', opacity: 0.5 },
          label: { position: 'insideTop' },
          data: [[{ name: shaded.label, xAxis: shaded.from }, { xAxis: shaded.to }]],
        },
      }),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return { name, title, svg };
}
