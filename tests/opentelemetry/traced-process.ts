import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

const exporter = new InMemorySpanExporter();
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
new HttpInstrumentation({
  disableIncomingRequestInstrumentation: true,
  startOutgoingSpanHook: ({ headers }) => {
    const attempt = Number((headers as Record<string, unknown> | undefined)?.['X-Attempt']);
    return attempt > 1 ? { 'http.request.resend_count': attempt - 1 } : {};
  },
});

const { default: axios } = await import('axios');
const { attach } = await import('../../src/index.js');

const statuses = [503, 503, 200];
const server = createServer((_request, response) => {
  response.writeHead(statuses.shift() ?? 200).end();
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const api = axios.create({ baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
attach(api, { retry: { backoff: () => 0, attemptHeader: 'X-Attempt' } });
await api.get('/users?token=secret');
server.close();
server.closeAllConnections();

console.log(JSON.stringify(exporter.getFinishedSpans().map(({ attributes }) => attributes)));
