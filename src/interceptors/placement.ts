import axios, { type AxiosHeaders, type AxiosInstance } from 'axios';
import type { Dispatch } from './dispatch.js';

/** A handler as axios's InterceptorManager keeps it. */
export interface Handler {
  readonly fulfilled: (value: never) => unknown;
  readonly rejected: ((error: unknown) => unknown) | undefined;
  readonly synchronous: true;
  readonly runWhen: null;
}

export const handler = (fulfilled: (value: never) => unknown, rejected?: (error: unknown) => unknown): Handler => ({
  fulfilled,
  rejected,
  synchronous: true,
  runWhen: null,
});

/** The handlers of one call. */
export interface CallHandlers {
  /** Runs before and after the user's request interceptors; where there are none, once. */
  readonly request: Handler;
  /** How often `request` runs, known before its first run. */
  requestRuns: 1 | 2;
  /** Runs before the user's response interceptors. */
  readonly response: Handler;
}

interface Manager {
  forEach(visit: (handler: Handler) => void): void;
}

/**
 * Sets our handlers around the user's, whatever was registered or will be: the `forEach` of both managers is shadowed by
 * one that visits ours too. axios visits the request side, then the response side, synchronously and once each per call,
 * so the first visit makes the call and the second takes the handlers that know it.
 *
 * Our request handler is visited at both ends of the user's, which is right for either order of running them
 * (`transitional.legacyInterceptorReqResOrdering`).
 *
 * @returns a function that takes the handlers out again.
 */
export function place({ interceptors }: AxiosInstance, begin: () => CallHandlers): () => void {
  for (const manager of [interceptors.request, interceptors.response]) {
    const own = Object.getOwnPropertyDescriptor(manager, 'forEach');
    if (own ? !own.configurable : !Object.isExtensible(manager)) {
      throw new TypeError('Expected the interceptor managers of `instance` not to be frozen');
    }
  }
  let active = true;
  let begun: CallHandlers | undefined;
  const removeRequest = shadow(interceptors.request as unknown as Manager, (original) => (visit) => {
    if (!active) return original(visit);
    const call = begin();
    visit(call.request);
    original((theirs) => {
      call.requestRuns = 2;
      visit(theirs);
    });
    if (call.requestRuns === 2) visit(call.request);
    begun = call;
  });
  const removeResponse = shadow(interceptors.response as unknown as Manager, (original) => (visit) => {
    const call = begun;
    begun = undefined;
    if (call) visit(call.response);
    original(visit);
  });
  return () => {
    active = false;
    removeRequest();
    removeResponse();
  };
}

type ForEach = Manager['forEach'];

/** Replaces `forEach`; what is returned puts back what was there, unless somebody else has replaced it since. */
function shadow(manager: Manager, wrap: (original: ForEach) => ForEach): () => void {
  const before = Object.getOwnPropertyDescriptor(manager, 'forEach');
  const ours = wrap(manager.forEach.bind(manager));
  Object.defineProperty(manager, 'forEach', { value: ours, writable: true, configurable: true });
  return () => {
    if (manager.forEach !== ours) return;
    if (before) Object.defineProperty(manager, 'forEach', before);
    else delete (manager as Partial<Manager>).forEach;
  };
}

/**
 * Makes sure that this version of axios visits handlers as `place` needs it: request side, response side, adapter, in
 * one tick. A newer axios must not disarm us silently.
 *
 * @param bare An instance without interceptors of the user's.
 * @param dispatch Sends a config through it; here nothing is sent.
 */
export function checkPlacement(bare: AxiosInstance, dispatch: Dispatch): void {
  const seen: string[] = [];
  const remove = place(bare, () => {
    seen.push('request');
    return {
      request: handler((config) => config),
      requestRuns: 1,
      get response() {
        seen.push('response');
        return handler((response) => response);
      },
    };
  });
  const adapter = () => {
    seen.push('adapter');
    return new Promise<never>(() => undefined);
  };
  dispatch({ url: '', adapter, headers: {} as AxiosHeaders }).catch(() => undefined);
  remove();
  if (seen.join() === 'request,response,adapter') return;
  throw new Error(
    `axios ${axios.VERSION} does not run interceptors as axios-resilience needs it (saw: ${seen.join() || 'nothing'})`,
  );
}
