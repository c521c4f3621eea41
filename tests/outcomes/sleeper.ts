import axios from 'axios';
import { attach, consecutiveFailures } from '../../src/index.js';

/** Has 20 calls under way with a timeout of 1 s when it is stopped; says at the end what they came to. */
const [url = '', adapter = 'http'] = process.argv.slice(2);
const api = axios.create({ baseURL: url, adapter, timeout: 1_000 });
const { breakers, on } = attach(api, { retry: false, breaker: { detector: consecutiveFailures(5) } });
const outcomes: Record<string, number> = {};
on('attempt', ({ outcome }) => {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
});
const calls = Array.from({ length: 20 }, () => api.get('/').catch(() => undefined));
setTimeout(() => process.stdout.write('under way\n'), 300);
await Promise.all(calls);
process.stdout.write(`${JSON.stringify({ outcomes, state: [...breakers][0]?.state })}\n`);
