import type { Histogram, Metric, Registry } from 'prom-client';
import type { Series } from '../metrics/measuring.js';

type Labels = Readonly<Record<string, string>>;

interface Row {
  readonly labels: Labels;
  /** How many values lie in each bucket; behind the last bound one more. */
  readonly counts: number[];
  sum: number;
}

/**
 * A histogram that a registry of prom-client exposes. One of prom-client's own spends more on looking up its labels, at
 * every value, than all the rest of a healthy call costs.
 */
export class AggregatedHistogram {
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #rows = new Set<Row>();

  constructor(name: string, help: string, bounds: readonly number[], register: Registry) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    register.registerMetric(this as unknown as Metric);
  }

  open(labels: Labels): Series {
    const row: Row = { labels, counts: this.#bounds.map(() => 0).concat(0), sum: 0 };
    const bounds = this.#bounds;
    this.#rows.add(row);
    return {
      measure(value) {
        let bucket = 0;
        while (value > (bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
        row.counts[bucket] = (row.counts[bucket] ?? 0) + 1;
        row.sum += value;
      },
      drop: () => this.#rows.delete(row),
    };
  }

  /** What a registry asks of a metric when it is read. */
  get(): ReturnType<Histogram['get']> {
    const { name, help, type, aggregator } = this;
    const values = [...this.#rows].flatMap((row) => this.#exposed(row));
    return Promise.resolve({ name, help, type, aggregator, values } as never);
  }

  reset(): void {
    for (const row of this.#rows) {
      row.counts.fill(0);
      row.sum = 0;
    }
  }

  #exposed({ labels, counts, sum }: Row): object[] {
    let count = 0;
    const buckets = counts.map((inBucket, index) => {
      count += inBucket;
      return {
        labels: { ...labels, le: this.#bounds[index] ?? '+Inf' },
        value: count,
        metricName: `${this.name}_bucket`,
      };
    });
    return [
      ...buckets,
      { labels, value: sum, metricName: `${this.name}_sum` },
      { labels, value: count, metricName: `${this.name}_count` },
    ];
  }
}
