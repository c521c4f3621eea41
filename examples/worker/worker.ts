// A worker that books orders from a queue. Run: UPSTREAM=https://api.example.com npx tsx examples/worker/worker.ts order-1 order-2
import axios from 'axios';
import { attach, reportOf } from 'axios-resilience';

const api = axios.create({ baseURL: process.env['UPSTREAM'] ?? 'https://api.example.com', timeout: 5_000 });
attach(api, {
  deadlineMs: 60_000, // a job may take a minute, waits included
  retry: {
    retries: 8,
    statusCodes: [409, 429, [500, 504]], // 409: the attempt before is still being worked on
  },
  breaker: { maxWaitMs: 30_000 }, // nobody sits in front of a worker: wait for the service
});

/** The key is that of the job, so that a job which runs twice, after a crash, books once. */
async function book(order: string): Promise<void> {
  await api.post('/bookings', { order }, { headers: { 'Idempotency-Key': order } });
}

for (const order of process.argv.slice(2)) {
  try {
    await book(order);
    console.log(`${order}: booked`);
  } catch (error) {
    process.exitCode = 1;
    const { attempts, stopped } = reportOf(error) ?? {};
    console.error(`${order}: back to the queue (${stopped} after ${attempts} attempts)`);
  }
}
