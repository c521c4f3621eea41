import type { Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string | number>>;

/** One line of what a registry exposes. */
export interface Sample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

export async function samplesOf(register: Registry): Promise<Sample[]> {
  const metrics = await register.getMetricsAsJSON();
  return metrics.flatMap(({ name, values }) =>
    (values as { value: number; labels: Labels; metricName?: string }[]).map(({ value, labels, metricName }) => ({
      name: metricName ?? name,
      labels,
      value,
    })),
  );
}

/** What the series with these labels come to in all; `undefined` where there is none. */
export function sumOf(samples: readonly Sample[], name: string, labels: Labels = {}): number | undefined {
  const found = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}
