import { describe, expect, test } from 'vitest';
import { INSTRUMENTS, type Instrument } from '../../src/metrics/instruments.js';
import { prometheusName } from '../../src/prometheus/prometheus.js';
import { alertQueries, DASHBOARD, dashboardQueries } from '../support/operations.js';

const instruments: readonly Instrument[] = Object.values(INSTRUMENTS);

/** The labels of each name that is exposed; those that Prometheus adds when it scrapes are `job` and `instance`. */
const exposed = new Map<string, readonly string[]>();
for (const instrument of instruments) {
  const name = prometheusName(instrument);
  const labels = [...instrument.labels, 'job', 'instance'];
  if (instrument.kind === 'histogram') {
    exposed
      .set(`${name}_bucket`, [...labels, 'le'])
      .set(`${name}_sum`, labels)
      .set(`${name}_count`, labels);
  } else {
    exposed.set(name, labels);
  }
}

/** The names of metrics in a query, and the labels that it selects or groups each of them by. */
function usesOf(expr: string): { readonly name: string; readonly labels: readonly string[] }[] {
  const selectors = [...expr.matchAll(/\b(axios_resilience_\w+)(?:\{([^}]*)\})?/g)];
  const groups = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(', '));
  return selectors.map(([, name = '', matchers = '']) => ({
    name,
    labels: [...matchers.matchAll(/(\w+)\s*[=!]~?"/g)].map(([, label = '']) => label).concat(groups),
  }));
}

const queries: readonly (readonly [string, string])[] = [
  ...dashboardQueries().map(([title, expr]) => [title, expr] as const),
  ...alertQueries(),
];

describe('the dashboard and the alert rules', () => {
  test('are there: 20 panels with 26 queries, 4 alerts', () => {
    expect(DASHBOARD.panels).toHaveLength(20);
    expect(new Set(DASHBOARD.panels.map(({ id }) => id)).size).toBe(20);
    expect(dashboardQueries()).toHaveLength(26);
    expect(alertQueries().map(([name]) => name)).toEqual([
      'AxiosResilienceCircuitOpen',
      'AxiosResilienceManyRetries',
      'AxiosResilienceStoreDegraded',
      'AxiosResilienceStoreUnsubscribed',
    ]);
  });

  test.each(queries)('%s: asks only for metrics and labels that the sink exposes', (_title, expr) => {
    const uses = usesOf(expr);
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.filter(({ name }) => !exposed.has(name))).toEqual([]);
    for (const { name, labels } of uses) expect(exposed.get(name)).toEqual(expect.arrayContaining([...labels]));
  });

  test('a legend shows only labels that its query groups by', () => {
    for (const [title, expr, legend] of dashboardQueries()) {
      const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
      const groups = [.../\bby \(([^)]*)\)/g[Symbol.matchAll](expr)].flatMap(([, names = '']) => names.split(', '));
      expect([title, groups]).toEqual([title, expect.arrayContaining(shown)]);
    }
  });

  test('the variables ask for what the sink exposes', () => {
    const asked = DASHBOARD.templating.list.flatMap(({ query }) => (typeof query === 'string' ? [] : [query.query]));
    expect(asked).toEqual([
      'label_values(axios_resilience_circuit_state, job)',
      'label_values(axios_resilience_circuit_state{job=~"$job"}, key)',
    ]);
  });

  test('the dashboard shows every instrument', () => {
    const shown = dashboardQueries().flatMap(([, expr]) => usesOf(expr).map(({ name }) => name));
    const missing = instruments.map(prometheusName).filter((name) => !shown.some((other) => other.startsWith(name)));
    expect(missing).toEqual([]);
  });

  test('values of labels that queries ask for are those that there are', () => {
    const values = queries.flatMap(([, expr]) =>
      [...expr.matchAll(/\b(state|outcome|status)(?:!=|=|!~)"([^"]*)"/g)].flatMap(([, label, values = '']) =>
        values.split('|').map((value) => `${label}=${value}`),
      ),
    );
    expect([...new Set(values)].sort()).toEqual([
      'outcome=late',
      'outcome=observed',
      'outcome=rejected',
      'state=closed',
      'state=half-open',
      'state=open',
      'status=live',
      'status=subscribed',
    ]);
  });
});
