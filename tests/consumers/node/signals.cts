import openTelemetry = require('@opentelemetry/api');
import axios = require('axios');
import axiosResilience = require('axios-resilience');
import openTelemetrySubPath = require('axios-resilience/opentelemetry');
import prometheusSubPath = require('axios-resilience/prometheus');
import promClient = require('prom-client');

const { attach, logSink } = axiosResilience;
const { openTelemetrySink } = openTelemetrySubPath;
const { prometheusSink } = prometheusSubPath;

const adapter: axios.AxiosAdapter = async (config) => ({ data: '', status: 200, statusText: '', headers: {}, config });
const register = new promClient.Registry();
const prometheus: prometheusSubPath.PrometheusSinkOptions = { register, prefix: 'shop_', buckets: [0.1, 1] };
const telemetry: openTelemetrySubPath.OpenTelemetrySinkOptions = { meter: openTelemetry.metrics.getMeter('shop') };
const level = 'warn';
const sinks: axiosResilience.Sink[] = [
  prometheusSink(promClient, prometheus),
  openTelemetrySink(openTelemetry, telemetry),
  logSink(console, { level }),
];

const api = axios.create({ baseURL: 'https://api.example.com', adapter });
attach(api, { sinks });

void (async () => {
  await api.get('/users/42');
  const text = await register.metrics();
  console.log(
    text
      .split('\n')
      .filter((line) => line.startsWith('shop_axios_resilience_call_attempts_count'))
      .join('\n'),
  );
})();

export const badOptions = (): void => {
  // @ts-expect-error an option that does not exist
  prometheusSink(promClient, { registry: register });
  // @ts-expect-error the module is missing
  prometheusSink();
  // @ts-expect-error the wrong module
  openTelemetrySink(promClient);
};
