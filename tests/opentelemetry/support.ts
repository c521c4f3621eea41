import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';

/** One series as it is exported: a number, or what a histogram holds. */
export interface Point {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: unknown;
}

export interface Exported {
  readonly provider: MeterProvider;
  /** Exports now and returns the instruments that had something to tell, by name. */
  collect(): Promise<Map<string, MetricData>>;
}

/** A real meter provider that exports to memory. */
export function exportToMemory(temporality = AggregationTemporality.CUMULATIVE): Exported {
  const exporter = new InMemoryMetricExporter(temporality);
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  return {
    provider,
    async collect() {
      exporter.reset();
      await provider.forceFlush();
      const metrics = exporter
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
      return new Map(metrics.map((metric) => [metric.descriptor.name, metric]));
    },
  };
}

export const pointsOf = (metrics: Map<string, MetricData>, name: string): readonly Point[] =>
  metrics.get(`axios.resilience.${name}`)?.dataPoints ?? [];

/** Numbers by the value of one attribute. */
export const byAttribute = (
  metrics: Map<string, MetricData>,
  name: string,
  attribute: string,
): Record<string, unknown> =>
  Object.fromEntries(pointsOf(metrics, name).map(({ attributes, value }) => [String(attributes[attribute]), value]));
