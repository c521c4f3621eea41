import axios from 'axios';
import { attach, consecutiveFailures, isRejectedError, reportOf } from 'axios-resilience';

/** What twelve behaviours came to, by their names; runs in any runtime. */
export async function smoke({ service, refused, adapter }) {
  const results = {};
  const quick = { retries: 1, backoff: () => 0 };

  /** An instance, the outcomes of its attempts, and what a call came to. */
  const start = (options = {}) => {
    const api = axios.create({ baseURL: service, adapter, timeout: 2_000 });
    const outcomes = [];
    const resilience = attach(api, { retry: quick, ...options });
    resilience.on('attempt', ({ outcome }) => outcomes.push(outcome));
    const call = async (config) => {
      const end = await api.request(config).catch((error) => error);
      const { attempts, stopped } = reportOf(end) ?? {};
      return { end, told: { outcomes: [...outcomes], attempts, stopped } };
    };
    return { api, call, resilience };
  };

  const behaviours = {
    'a healthy GET is one attempt': async () => (await start().call({ url: '/ok' })).told,
    'a 503 is retried': async () => (await start().call({ url: '/flaky' })).told,
    'a POST is not retried after a 503': async () => (await start().call({ url: '/down', method: 'post' })).told,
    'a POST with an idempotency key is, with the same key': async () => {
      const { call } = start({ idempotencyKey: true });
      const { end, told } = await call({ url: '/keys', method: 'post', data: { item: 7 } });
      return { ...told, keys: new Set(end.data.keys).size };
    },
    'a refused connection is a failure, and retried': async () =>
      (await start().call({ url: '/', baseURL: refused })).told,
    'a closed connection is a failure, and retried': async () => (await start().call({ url: '/close' })).told,
    'a body cut off is a failure, and retried': async () => (await start().call({ url: '/cut' })).told,
    'a body cut off is not retried for a POST': async () => (await start().call({ url: '/cut', method: 'post' })).told,
    'a timeout is a failure, and retried': async () => (await start().call({ url: '/hang', timeout: 150 })).told,
    'a signal whose time runs out is a failure': async () =>
      (await start().call({ url: '/hang', signal: AbortSignal.timeout(150) })).told,
    'the circuit opens, and rejects with its own error': async () => {
      const { call } = start({ retry: false, breaker: { detector: consecutiveFailures(5) } });
      for (let count = 0; count < 5; count++) await call({ url: '/down' });
      const { end, told } = await call({ url: '/down' });
      return { ...told, isOpen: isRejectedError(end) };
    },
    'fallback data answers while it is open': async () => {
      const { call, resilience } = start({ fallback: { old: true } });
      resilience.breakers.ensure(`GET ${service}`).trip();
      const { end, told } = await call({ url: '/ok' });
      return { ...told, data: end.data };
    },
  };
  for (const [name, behaviour] of Object.entries(behaviours)) {
    results[name] = await behaviour().catch((error) => String(error?.stack ?? error));
  }
  return results;
}
