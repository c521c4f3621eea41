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

/** Colours that differ for colour-blind readers, too (Okabe and Ito). */
const COLOURS = ['#000000', '#e69f00', '#d55e00', '#cc79a7', '#999999', '#56b4e9', '#0072b2', '#009e73'];

export async function linePlot({ name, title, x, y, shaded, lines }: LinePlotOptions): Promise<Plot> {
  const library = 'echarts';
  const charts = (await import(library)) as Charts;
  const chart = charts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: COLOURS,
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 0, type: 'plain' },
    grid: { left: 60, right: 30, top: 50, bottom: 105 },
    xAxis: { type: 'value', name: x, nameLocation: 'middle', nameGap: 28, min: 0, max: 'dataMax' },
    yAxis: { type: 'value', name: y, nameLocation: 'middle', nameGap: 40, min: 0 },
    series: lines.map((line, index) => ({
      name: line.name,
      type: 'line',
      showSymbol: false,
      lineStyle: { width: 2, type: index % 2 === 0 ? 'solid' : 'dashed' },
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
