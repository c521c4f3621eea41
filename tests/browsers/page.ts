import axios, { type AxiosRequestConfig } from 'axios';
// The bed puts the built package in its place.
import {
  attach,
  consecutiveFailures,
  isRejectedError,
  type Outcome,
  type ResilienceOptions,
  reportOf,
} from '../../src/index.js';

/** What a call came to. */
export interface Told {
  readonly outcomes: readonly Outcome[];
  readonly stopped: string | undefined;
  /** What the circuit counted. */
  readonly counts: { readonly success: number; readonly failure: number; readonly neutral: number };
}

type Given = [request: AxiosRequestConfig, options?: ResilienceOptions];

const NOTES = 'notes';
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Survives the page, to be read on the next one; a worker keeps no notes. */
function note(text: string): void {
  if (typeof sessionStorage === 'undefined') return;
  sessionStorage.setItem(NOTES, JSON.stringify([...trial.notes(), text]));
}

let pending: Promise<Told>;

/** What the tests have a page do; all that goes in and out can be cloned. */
const trial = {
  /** Makes one call that is retried once at once, and says what its attempts told. */
  async told(request: AxiosRequestConfig, options: ResilienceOptions = {}): Promise<Told> {
    const api = axios.create({ baseURL: location.origin });
    const outcomes: Outcome[] = [];
    const resilience = attach(api, { retry: { retries: 1, backoff: 0 }, ...options });
    resilience.on('attempt', ({ outcome }) => {
      outcomes.push(outcome);
      note(outcome);
    });
    resilience.on('retry', () => note('retry'));
    resilience.on('stateChange', ({ to }) => note(to));
    const end: unknown = await api.request(request).catch((error: unknown) => error);
    const counts = { success: 0, failure: 0, neutral: 0 };
    for (const breaker of resilience.breakers) {
      const { success, failure, neutral } = breaker.stats().counts;
      Object.assign(counts, { success, failure, neutral });
    }
    return { outcomes, stopped: reportOf(end)?.stopped, counts };
  },

  /** Begins such a call, and comes back when the service has had time to take it. */
  async begin(request: AxiosRequestConfig, options: ResilienceOptions = {}): Promise<void> {
    pending = trial.told(request, options);
    await pause(100);
  },

  /** What the call that was begun came to. */
  ended: (): Promise<Told> => pending,

  /** What happened on the pages of this tab. */
  notes: (): string[] => JSON.parse(sessionStorage.getItem(NOTES) ?? '[]') as string[],

  /** A call that its caller cancels. */
  async cancelled(request: AxiosRequestConfig): Promise<Told> {
    const controller = new AbortController();
    await trial.begin({ ...request, signal: controller.signal });
    controller.abort();
    return pending;
  },

  /** A call whose signal has a time limit. */
  timed: (request: AxiosRequestConfig, limitMs: number): Promise<Told> =>
    trial.told({ ...request, signal: AbortSignal.timeout(limitMs) }),

  /** Stops the page, and says what the call that was begun came to. */
  stopped(): Promise<Told> {
    window.stop();
    return pending;
  },

  /** As `told`, in a worker. */
  async inWorker(...given: Given): Promise<Told> {
    const worker = new Worker('/script.js?axios');
    const answer = new Promise<Told>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data as Told);
    });
    worker.postMessage(given);
    return answer.finally(() => worker.terminate());
  },

  /** Opens a circuit, and has the page keep it when it goes, as docs/browsers.md says. */
  async keep(): Promise<void> {
    const { breakers } = attach(axios.create());
    breakers.ensure('GET https://api.example.com').trip({ cooldownMs: 60_000 });
    addEventListener('pagehide', () => sessionStorage.setItem('circuits', JSON.stringify(breakers.snapshot())));
  },

  /** The state of that circuit, taken up again. */
  async kept(): Promise<string | undefined> {
    const { breakers } = attach(axios.create());
    breakers.restore(JSON.parse(sessionStorage.getItem('circuits') ?? ''));
    return breakers.get('GET https://api.example.com')?.state;
  },

  /** Follows a link. */
  async follow(path: string): Promise<void> {
    const link = document.createElement('a');
    link.href = path;
    document.body.append(link);
    link.click();
  },

  /** Five calls that fail, one that fallback data answers, one that is rejected, and one more when the plugin is taken off. */
  async outage(adapter: string): Promise<unknown> {
    const api = axios.create({ baseURL: location.origin, adapter });
    const breaker = { detector: consecutiveFailures(5), cooldownMs: 60_000 };
    const resilience = attach(api, { retry: false, breaker });
    const states: (string | undefined)[] = [];
    for (let count = 0; count < 5; count++) {
      await api.get('/down').catch(() => undefined);
      states.push(resilience.breakers.get(`GET ${location.origin}`)?.state);
    }
    const answer = await api.get('/down', { resilience: { fallback: { old: true } } });
    const rejection: unknown = await api.get('/down').catch((error: unknown) => error);
    resilience.detach();
    const after: unknown = await api.get('/down').catch((error: unknown) => error);
    const told = [answer.data, reportOf(answer)?.attempts, isRejectedError(rejection)];
    const isBare = reportOf(after) === undefined;
    return { states, told, after: [axios.isAxiosError(after) && after.response?.status, isBare] };
  },
};

export type Trial = typeof trial;
Object.assign(globalThis, { trial });
if (typeof document === 'undefined') {
  globalThis.onmessage = async ({ data }) => postMessage(await trial.told(...(data as Given)));
}
