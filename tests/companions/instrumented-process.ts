import { AsyncLocalStorage } from 'node:async_hooks';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

/** Traces one call of three attempts on the http adapter, started before axios is loaded, as an SDK is. */
const exporter = new InMemorySpanExporter();
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
propagation.setGlobalPropagator({
  inject: (of, carrier, setter) => {
    const { traceId, spanId } = trace.getSpanContext(of) ?? {};
    setter.set(carrier, 'traceparent', `00-${traceId}-${spanId}-01`);
  },
  extract: (of) => of,
  fields: () => ['traceparent'],
});
new HttpInstrumentation({ disableIncomingRequestInstrumentation: true });

const { default: axios } = await import('axios');
const { attach } = await import('../../src/index.js');

const statuses = [503, 503, 200];
const received: unknown[] = [];
const server = createServer((request, response) => {
  received.push(request.headers['traceparent']);
  response.writeHead(statuses.shift() ?? 200).end();
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const api = axios.create({ baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });

const requests = new AsyncLocalStorage<string>();
const seen: unknown[] = [];
attach(api, {
  retry: {
    backoff: 5,
    beforeRetry: () => {
      seen.push(requests.getStore());
    },
  },
});
await trace.getTracer('shop').startActiveSpan('checkout', async (span) => {
  await requests.run('request 7', () => api.get('/users'));
  span.end();
});
server.close();
server.closeAllConnections();

const spans = exporter.getFinishedSpans().map((span) => ({
  name: span.name,
  id: span.spanContext().spanId,
  trace: span.spanContext().traceId,
  parent: span.parentSpanContext?.spanId,
  status: span.attributes['http.response.status_code'],
}));
console.log(JSON.stringify({ spans, received, seen }));
