// An Express service in front of another one. Run: PORT=3000 UPSTREAM=https://api.example.com npx tsx examples/express/service.ts
import type { AddressInfo } from 'node:net';
import axios from 'axios';
import { attach, isRejectedError, logSink } from 'axios-resilience';
import express, { type ErrorRequestHandler } from 'express';

const upstream = axios.create({ baseURL: process.env['UPSTREAM'] ?? 'https://api.example.com', timeout: 2_000 });
const resilience = attach(upstream, {
  breaker: { maxWaitMs: 200 }, // a page would rather fail than wait
  sinks: [logSink(console, { level: 'warn' })],
});

const app = express();

app.get('/users/:id', async (request, response) => {
  const { data } = await upstream.get<unknown>(`/users/${encodeURIComponent(request.params.id)}`);
  response.json(data);
});

/** The page can do without its feed. */
app.get('/feed', async (_request, response) => {
  const { data } = await upstream.get<unknown>('/feed', {
    resilience: { fallback: { items: [] }, fallbackOn: 'failure' },
  });
  response.json(data);
});

/** Without it, Express would answer with the status of the upstream. */
const answerError: ErrorRequestHandler = (error, _request, response, next) => {
  if (isRejectedError(error)) response.status(503).set(error.headers).json({ error: 'try again later' });
  else if (axios.isAxiosError(error)) response.status(502).json({ error: 'bad gateway' });
  else next(error);
};
app.use(answerError);

const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  console.log(`listening on ${(server.address() as AddressInfo).port}`);
});
process.once('SIGTERM', () => {
  resilience.close(); // nobody waits for a circuit or a retry any more
  server.close();
});
