import { readFileSync } from 'node:fs';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}

interface Dashboard {
  readonly panels: readonly { readonly id: number; readonly title: string; readonly targets: readonly Target[] }[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { readonly query: string } }[];
  };
}

export const DASHBOARD = JSON.parse(read('examples/grafana/dashboard.json')) as Dashboard;
export const ALERTS_FILE = new URL('../../examples/grafana/alerts.yml', import.meta.url);

/** The queries of the dashboard with their titles. */
export const dashboardQueries = (): (readonly [title: string, expr: string, legend: string])[] =>
  DASHBOARD.panels.flatMap(({ title, targets }) =>
    targets.map(({ expr, legendFormat }) => [title, expr, legendFormat] as const),
  );

/** The queries of the alert rules with their names. */
export const alertQueries = (): (readonly [name: string, expr: string])[] =>
  [...read('examples/grafana/alerts.yml').matchAll(/- alert: (\w+)\n(?: +#.*\n)* +expr: (.*)\n/g)].map(
    ([, name = '', expr = '']) => [name, expr],
  );

/** A query as Grafana would send it. */
export const filledIn = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '1m').replace(/\$(?:job|key)/g, '.*');
