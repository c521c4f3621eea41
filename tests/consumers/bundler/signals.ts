import * as openTelemetry from '@opentelemetry/api';
import axios, { type AxiosAdapter } from 'axios';
import { attach, logSink, type Sink } from 'axios-resilience';
import { type OpenTelemetrySinkOptions, openTelemetrySink } from 'axios-resilience/opentelemetry';
import { type PrometheusSinkOptions, prometheusSink } from 'axios-resilience/prometheus';
import * as promClient from 'prom-client';

const adapter: AxiosAdapter = async (config) => ({ data: '', status: 200, statusText: '', headers: {}, config });
const register = new promClient.Registry();
const prometheus: PrometheusSinkOptions = { register, prefix: 'shop_', buckets: [0.1, 1] };
const telemetry: OpenTelemetrySinkOptions = { meter: openTelemetry.metrics.getMeter('shop') };
const level = 'warn';
const sinks: Sink[] = [
  prometheusSink(promClient, prometheus),
  openTelemetrySink(openTelemetry, telemetry),
  logSink(console, { level }),
];

const api = axios.create({ baseURL: 'https://api.example.com', adapter });
attach(api, { sinks });
await api.get('/users/42');
const text = await register.metrics();
console.log(
  text
    .split('\n')
    .filter((line) => line.startsWith('shop_axios_resilience_call_attempts_count'))
    .join('\n'),
);

export const badOptions = (): void => {
  // @ts-expect-error an option that does not exist
  prometheusSink(promClient, { registry: register });
  // @ts-expect-error the module is missing
  prometheusSink();
  // @ts-expect-error the wrong module
  openTelemetrySink(promClient);
};
