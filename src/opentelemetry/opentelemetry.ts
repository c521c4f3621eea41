import type { Meter } from '@opentelemetry/api';
import type { Recorder } from '../events.js';
import { ATTEMPT_BUCKETS, DURATION_BUCKETS, type Instrument } from '../metrics/instruments.js';
import { Measuring, type Series } from '../metrics/measuring.js';
import { options, own, type Rule, unexpected, withMethods } from '../validation.js';
import { spanEventOf } from './span-events.js';

/** What is needed of the module `@opentelemetry/api`. */
export type OpenTelemetryApi = Pick<typeof import('@opentelemetry/api'), 'metrics' | 'trace'>;

/** Where measurements go. */
export interface OpenTelemetrySinkOptions {
  /**
   * Makes the instruments.
   * @default the meter `axios-resilience` of the provider that is registered when something is first measured
   */
  meter?: Meter | undefined;
}

const aModule: Rule = (value, path) => {
  const { metrics, trace } = (value ?? {}) as Partial<OpenTelemetryApi>;
  if (typeof metrics?.getMeter !== 'function' || typeof trace?.getActiveSpan !== 'function') {
    throw unexpected(path, 'the module @opentelemetry/api, from version 1.9 on', value);
  }
};

const check = options({
  meter: withMethods('a Meter of OpenTelemetry', 'createHistogram', 'createObservableCounter', 'createObservableGauge'),
});

type Attributes = Readonly<Record<string, string>>;

/**
 * Gives what happens to OpenTelemetry: measurements to a meter, and retries, rejections and fallbacks as events of the
 * span that is active. No span is begun, so no tracer is needed.
 *
 * @param api The module `@opentelemetry/api`, from version 1.9 on.
 * @throws a `TypeError` that names the option.
 */
export function openTelemetrySink(api: OpenTelemetryApi, given?: OpenTelemetrySinkOptions): Recorder {
  aModule(api, 'openTelemetrySink(api)');
  if (given !== undefined) check(given, 'openTelemetrySink(options)');
  const { meter } = own(given ?? {});
  const made = new Map<Instrument, Open>();
  const make = (instrument: Instrument): Open => {
    const look = () => measuring.look();
    const open = instrumentOf(meter ?? api.metrics.getMeter('axios-resilience'), instrument, look);
    made.set(instrument, open);
    return open;
  };
  const measuring = new Measuring((instrument, attributes) => (made.get(instrument) ?? make(instrument))(attributes));
  return {
    record(event) {
      const { name, attributes } = spanEventOf(event) ?? {};
      const span = name === undefined ? undefined : api.trace.getActiveSpan();
      if (name !== undefined && span?.isRecording()) span.addEvent(name, attributes);
      measuring.record(event);
    },
  };
}

type Open = (attributes: Attributes) => Series;

function instrumentOf(meter: Meter, { name, kind, unit, description }: Instrument, look: () => void): Open {
  const config = { unit, description };
  if (kind === 'counter') {
    const rows = new Set<Row>();
    meter.createObservableCounter(name, config).addCallback((result) => {
      for (const { attributes, value } of rows) result.observe(value, attributes);
    });
    return (attributes) => {
      const row: Row = { attributes, value: 0 };
      rows.add(row);
      return {
        measure(value) {
          row.value += value;
        },
        drop: () => rows.delete(row),
      };
    };
  }
  if (kind === 'gauge') {
    const rows = new Set<Row>();
    const dropped = new Set<Row>();
    meter.createObservableGauge(name, config).addCallback((result) => {
      look();
      for (const { attributes } of dropped) result.observe(0, attributes);
      for (const { attributes, value } of rows) result.observe(value, attributes);
      dropped.clear();
    });
    return (attributes) => {
      const row: Row = { attributes, value: 0 };
      rows.add(row);
      return {
        measure(value) {
          row.value = value;
        },
        drop() {
          rows.delete(row);
          dropped.add(row);
        },
      };
    };
  }
  const explicitBucketBoundaries = [...(unit === 's' ? DURATION_BUCKETS : ATTEMPT_BUCKETS)];
  const histogram = meter.createHistogram(name, { ...config, advice: { explicitBucketBoundaries } });
  return (attributes) => ({
    measure: (value) => histogram.record(value, attributes),
    drop: () => undefined,
  });
}

/** A series of a counter or gauge: it is told when it is collected, which costs a call nothing. */
interface Row {
  readonly attributes: Attributes;
  value: number;
}
