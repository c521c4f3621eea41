import axios, { type AxiosInstance, type InternalAxiosRequestConfig } from 'axios';
import { hide } from '../../fields.js';
import type { Dispatch } from '../config/dispatch.js';

type Config = InternalAxiosRequestConfig;

/** A handler as axios's InterceptorManager keeps it. */
export interface Handler {
  readonly fulfilled: ((value: never) => unknown) | undefined;
  readonly rejected: ((error: unknown) => unknown) | undefined;
  readonly synchronous?: boolean;
  readonly runWhen?: ((config: Config) => boolean) | null;
}

export const handler = (fulfilled: Handler['fulfilled']): Handler => ({
  fulfilled,
  rejected: undefined,
  synchronous: true,
  runWhen: null,
});

/** The handlers of one call; it is that of the response side itself, which runs before the user's response interceptors. */
export interface CallHandlers extends Handler {
  /** The user has no request interceptors: what they leave is there already. */
  ready(): void;
  /** A handler that runs before and after the user's request interceptors. */
  aroundTheirs(): Handler;
}

interface Manager {
  readonly handlers?: readonly unknown[] | null;
  forEach(visit: (handler: Handler) => void): void;
}

/**
 * Sets our handlers around the user's, whatever was registered or will be: the `forEach` of both managers is shadowed by
 * one that visits ours too. axios visits the request side, then the response side, synchronously and once each per call.
 *
 * On the request side axios asks a handler's `runWhen` at the visit, with the config. There the call begins, and the handler
 * itself never runs: a call without request interceptors of the user's has none of ours in its chain. Where there are some,
 * one of ours is visited at both ends of them, which is right for either order of running them
 * (`transitional.legacyInterceptorReqResOrdering`). The second visit takes the handlers that know the call.
 *
 * @param begin Begins a call with the config as axios merged it.
 * @returns a function that takes the handlers out again.
 */
export function place({ interceptors }: AxiosInstance, begin: (config: Config) => CallHandlers): () => void {
  const request = interceptors.request as unknown as Manager;
  const response = interceptors.response as unknown as Manager;
  for (const manager of [request, response]) {
    const own = Object.getOwnPropertyDescriptor(manager, 'forEach');
    if (!Object.isExtensible(manager) || own?.configurable === false) {
      throw new TypeError('Expected the interceptor managers of `instance` not to be frozen');
    }
  }
  let active = true;
  let begun: CallHandlers | undefined;
  const beginning: Handler = {
    ...handler(undefined),
    runWhen: (config) => {
      begun = begin(config);
      return false;
    },
  };
  const removeRequest = shadow(request, (original) => (visit) => {
    begun = undefined;
    if (!active) return original(visit);
    visit(beginning);
    // The analysis of types does not see that `visit` asked `runWhen`.
    const call = begun as CallHandlers | undefined;
    if (!call) return original(visit);
    let around: Handler | undefined;
    original((theirs) => {
      const own = around ?? call.aroundTheirs();
      if (!around) visit(own);
      around = own;
      visit(theirs);
    });
    if (around) visit(around);
    else call.ready();
  });
  const removeResponse = shadow(response, (original) => (visit) => {
    const call = begun;
    begun = undefined;
    if (call) visit(call);
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
  const original = manager.forEach.bind(manager);
  // axios's own walk over nobody costs a healthy call half a point.
  const walk: ForEach = before
    ? original
    : (visit) => {
        if (manager.handlers?.length !== 0) original(visit);
      };
  const ours = wrap(walk);
  hide(manager, 'forEach', ours);
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
  const remove = place(bare, () => ({
    ready: () => undefined,
    aroundTheirs() {
      seen.push('request');
      return handler((config) => config);
    },
    get fulfilled() {
      seen.push('response');
      return (response: unknown) => response;
    },
    rejected: undefined,
  }));
  const adapter = () => {
    seen.push('adapter');
    return new Promise<never>(() => undefined);
  };
  dispatch({ url: '', adapter, headers: {} }).catch(() => undefined);
  remove();
  if (seen.join() === 'request,response,adapter') return;
  throw new Error(
    `axios ${axios.VERSION} does not run interceptors as axios-resilience needs it (saw: ${seen.join() || 'nothing'})`,
  );
}
