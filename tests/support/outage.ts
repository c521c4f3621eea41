import axios, { type AxiosRequestConfig } from 'axios';
import { attach, consecutiveFailures, isRejectedError, reportOf, type Sink } from '../../src/index.js';
import { type Answer, hang, json, reset, startServer } from './server.js';

/** An outage as both of its sides saw it, without asking events. */
export interface Outage {
  readonly key: string;
  /** What the service was asked and how it answered. */
  readonly service: { readonly requests: number; readonly healthy: number; readonly ill: number; readonly cut: number };
  /** What became of the calls. */
  readonly callers: {
    readonly calls: number;
    readonly answered: number;
    readonly failed: number;
    readonly rejected: number;
    readonly fallbacks: number;
  };
  /** How long attempts took in all, as the reports have it, seconds. */
  readonly attemptSeconds: number;
}

const COOLDOWN_MS = 1_000;

/** A real service falls ill and recovers; what happens is given to the sinks. */
export async function surviveOutage(...sinks: Sink[]): Promise<Outage> {
  const service = { requests: 0, healthy: 0, ill: 0, cut: 0 };
  const callers = { calls: 0, answered: 0, failed: 0, rejected: 0, fallbacks: 0 };
  let attemptSeconds = 0;
  let skippedMs = 0;
  const server = await startServer();
  const counted =
    (what: 'healthy' | 'ill' | 'cut', answer: Exclude<Answer, number>): Answer =>
    (...given) => {
      service[what]++;
      answer(...given);
    };
  const well = counted('healthy', json(200, {}));
  const missing = counted('healthy', json(404, {}));
  const ill = counted('ill', json(503, {}));
  const broken = counted('ill', reset as Exclude<Answer, number>);
  const hanging = counted('ill', hang as Exclude<Answer, number>);

  const api = axios.create({ baseURL: server.url, timeout: 500 });
  attach(api, {
    retry: { retries: 2, backoff: () => 0, budget: false },
    breaker: { detector: consecutiveFailures(5), cooldownMs: COOLDOWN_MS, maxWaitMs: 0 },
    clock: { now: () => performance.now() + skippedMs },
    sinks,
  });
  const call = async (config: AxiosRequestConfig = {}): Promise<void> => {
    callers.calls++;
    const ended: unknown = await api.get('/users?token=secret', config).catch((error: unknown) => error);
    const report = reportOf(ended);
    for (const { durationMs } of report?.history ?? []) attemptSeconds += durationMs / 1_000;
    if (ended instanceof Error) callers.failed++;
    else if (report?.fallback) callers.fallbacks++;
    else callers.answered++;
    if (isRejectedError(ended) || (report?.fallback && report.attempts === 0)) callers.rejected++;
  };
  const callTimes = async (times: number, config?: AxiosRequestConfig) => {
    for (let count = 0; count < times; count++) await call(config);
  };

  server.script(well);
  await callTimes(10);
  server.script(missing);
  await call();
  server.script(ill, well);
  await call();
  server.script(broken, well);
  await call();
  server.script(hanging, well);
  await call();
  const leaving = new AbortController();
  const answerNever: Answer = counted('cut', () => leaving.abort());
  server.script(answerNever);
  await call({ signal: leaving.signal });
  server.script(ill);
  await callTimes(2);
  await callTimes(15);
  await callTimes(5, { resilience: { fallback: 'kept' } });
  skippedMs += COOLDOWN_MS;
  await call({ resilience: { fallback: 'kept' } });
  skippedMs += COOLDOWN_MS;
  server.script(well);
  await callTimes(5);

  service.requests = server.requests.length;
  await server.close();
  return { key: `GET ${server.url}`, service, callers, attemptSeconds };
}
