import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as Sentry from '@sentry/node';

/** Sends to Sentry what comes of two calls, over a transport that keeps the envelopes. */
const items: { type: string; payload: any }[] = [];
Sentry.init({
  dsn: 'https://key@sentry.invalid/1',
  tracesSampleRate: 1,
  beforeSend: (event, { originalException }) => {
    const report = reportOf(originalException);
    if (report) event.contexts = { ...event.contexts, resilience: { ...report } };
    return event;
  },
  transport: () => ({
    send: async ([, envelopeItems]) => {
      for (const [header, payload] of envelopeItems) items.push({ type: header.type, payload });
      return {};
    },
    flush: async () => true,
  }),
});

const { default: axios } = await import('axios');
const { attach, reportOf } = await import('../../src/index.js');

const statuses = [503, 503, 200, 503];
const traces: unknown[] = [];
const server = createServer((request, response) => {
  traces.push(request.headers['sentry-trace']);
  const status = (statuses.length > 1 ? statuses.shift() : statuses[0]) ?? 200;
  response.writeHead(status).end();
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const api = axios.create({ baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
const { breakers } = attach(api, { retry: { retries: 2, backoff: 0 } });
const key = `GET ${api.defaults.baseURL}`;

await Sentry.startSpan({ name: 'checkout' }, async () => {
  await api.get('/well?token=secret');
});
await Sentry.startSpan({ name: 'failing' }, async () => {
  await api.get('/ill').catch((error: unknown) => Sentry.captureException(error));
});
// It reads the files that a stack names before it sends, so that the second error might overtake the first.
await Sentry.flush(2_000);
breakers.ensure(key).trip();
await api.get('/rejected').catch((error: unknown) => Sentry.captureException(error));
await Sentry.flush(2_000);
server.close();
server.closeAllConnections();

const spans = items.filter(({ type }) => type === 'span').flatMap(({ payload }) => payload.items);
const errors = items.filter(({ type }) => type === 'event').map(({ payload }) => payload);
console.log(
  JSON.stringify({
    traces,
    clientSpans: spans
      .filter(({ attributes }) => attributes['sentry.op']?.value === 'http.client')
      .map(({ name, span_id, trace_id, attributes }) => ({
        name,
        trace: `${trace_id}-${span_id}-1`,
        status: attributes['http.response.status_code']?.value,
      })),
    errors: errors.map(({ exception, contexts, breadcrumbs }) => ({
      type: exception.values.at(-1).type,
      resilience: contexts.resilience,
      requests: breadcrumbs.filter(({ category }: any) => category === 'http').map(({ data }: any) => data.status_code),
    })),
  }),
);
process.exit(0);
