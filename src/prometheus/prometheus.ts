import type { Registry } from 'prom-client';
import type { Recorder } from '../events.js';
import { ATTEMPT_BUCKETS, DURATION_BUCKETS, INSTRUMENTS, type Instrument } from '../metrics/instruments.js';
import { Measuring, type OpenSeries, type Series } from '../metrics/measuring.js';
import { listOf, options, own, type Rule, unexpected, withMethods } from '../validation.js';
import { AggregatedHistogram } from './histogram.js';

/** What is needed of the module `prom-client`. */
export type PromClient = Pick<typeof import('prom-client'), 'Counter' | 'Gauge' | 'register'>;

/** Where and how metrics are exposed. */
export interface PrometheusSinkOptions {
  /**
   * The registry that exposes them.
   * @default the `register` of the module
   */
  register?: Registry | undefined;
  /**
   * Put before each name: letters, digits, `_` and `:`.
   * @default ''
   * @example 'shop_'
   */
  prefix?: string | undefined;
  /**
   * The upper bounds of the durations of attempts, seconds > 0, ascending.
   * @default [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
   */
  buckets?: readonly number[] | undefined;
}

const aModule: Rule = (value, path) => {
  const { Counter, Gauge } = (value ?? {}) as Partial<PromClient>;
  if (typeof Counter !== 'function' || typeof Gauge !== 'function')
    throw unexpected(path, 'the module prom-client', value);
};

const aPrefix: Rule = (value, path) => {
  const expected = 'a string of letters, digits, `_` and `:` that does not begin with a digit';
  if (typeof value !== 'string') throw unexpected(path, expected, value);
  if (!/^(?:[a-z_:][\w:]*)?$/i.test(value)) throw unexpected(path, expected, value, RangeError);
};

const bounds: Rule = (value, path) => {
  const expected = 'an ascending list of seconds > 0';
  listOf((item) => {
    if (typeof item !== 'number') throw unexpected(path, expected, value);
  })(value, path);
  const list = value as readonly number[];
  const isAscending = list.every((bound, index) => bound > (list[index - 1] ?? 0) && bound <= Number.MAX_VALUE);
  if (list.length === 0 || !isAscending) throw unexpected(path, expected, value, RangeError);
};

const check = options({
  register: withMethods('a Registry of prom-client', 'registerMetric', 'getSingleMetric'),
  prefix: aPrefix,
  buckets: bounds,
});

/** The name of an instrument as Prometheus has it: base unit and `_total` at its end. */
export function prometheusName({ name, kind, unit }: Instrument): string {
  const plain = name.replaceAll('.', '_');
  return kind === 'counter' ? `${plain}_total` : unit === 's' ? `${plain}_seconds` : plain;
}

/**
 * Exposes what happens as metrics on a registry of prom-client. For several attached instances share one sink: a registry
 * takes each name once.
 *
 * @param promClient The module `prom-client`, version 15.
 * @throws a `TypeError` or `RangeError` that names the option; an `Error` when the registry has such metrics already.
 */
export function prometheusSink(promClient: PromClient, given?: PrometheusSinkOptions): Recorder {
  aModule(promClient, 'prometheusSink(promClient)');
  if (given !== undefined) check(given, 'prometheusSink(options)');
  const { register = promClient.register, prefix = '', buckets = DURATION_BUCKETS } = own(given ?? {});
  const nameOf = (instrument: Instrument) => prefix + prometheusName(instrument);
  for (const name of Object.values(INSTRUMENTS).map(nameOf)) {
    if (!register.getSingleMetric(name)) continue;
    throw new Error(`The registry has a metric ${name} already; share one sink, or give it a \`prefix\``);
  }
  const opens = new Map<Instrument, Open>();
  const measuring = new Measuring((instrument, labels) => (opens.get(instrument) as Open)(labels));
  const look = () => measuring.look();
  for (const instrument of Object.values(INSTRUMENTS)) {
    opens.set(instrument, exposed(promClient, register, nameOf(instrument), instrument, buckets, look));
  }
  return measuring;
}

type Labels = Parameters<OpenSeries>[1];
type Open = (labels: Labels) => Series;

function exposed(
  { Counter, Gauge }: PromClient,
  register: Registry,
  name: string,
  { kind, unit, labels: labelNames, description: help }: Instrument,
  buckets: readonly number[],
  look: () => void,
): Open {
  if (kind === 'histogram') {
    const histogram = new AggregatedHistogram(name, help, unit === 's' ? buckets : ATTEMPT_BUCKETS, register);
    return (labels) => histogram.open(labels);
  }
  const config = { name, help, labelNames, registers: [register] };
  const rows = new Set<Row>();
  if (kind === 'gauge') {
    const gauge = new Gauge({
      ...config,
      collect() {
        look();
        for (const { labels, value } of rows) this.set(labels, value);
      },
    });
    return rowsOf(rows, gauge, (row, value) => {
      row.value = value;
    });
  }
  const counter = new Counter({
    ...config,
    collect() {
      for (const row of rows) {
        this.inc(row.labels, row.value);
        row.value = 0;
      }
    },
  });
  const resetTold = counter.reset.bind(counter);
  counter.reset = () => {
    resetTold();
    for (const row of rows) row.value = 0;
  };
  return rowsOf(rows, counter, (row, value) => {
    row.value += value;
  });
}

/** A series of a counter or gauge: it is told to prom-client when it is read, since looking up its labels is slow. */
interface Row {
  readonly labels: Labels;
  /** Of a gauge the value, of a counter what was not told yet. */
  value: number;
}

const rowsOf =
  (rows: Set<Row>, metric: { remove(labels: Labels): void }, measure: (row: Row, value: number) => void): Open =>
  (labels) => {
    const row: Row = { labels, value: 0 };
    rows.add(row);
    return {
      measure: (value) => measure(row, value),
      drop() {
        rows.delete(row);
        metric.remove(labels);
      },
    };
  };
