import {
  type AxiosAdapter,
  AxiosError,
  type AxiosResponse,
  CanceledError,
  type InternalAxiosRequestConfig,
} from 'axios';
import type { Reply, Service } from './service.js';
import type { VirtualTime } from './virtual-time.js';

/** What a request to the service becomes, in the way of axios's own adapter for HTTP. */
export interface NetworkOptions {
  readonly time: VirtualTime;
  readonly service: Service;
  /** Told of each request, with its path. */
  readonly onRequest: (path: string) => void;
}

export const networkAdapter =
  ({ time, service, onRequest }: NetworkOptions): AxiosAdapter =>
  (config) =>
    new Promise((resolve, reject) => {
      const { timeout, signal, url = '' } = config;
      const end = () => {
        if (timer) timer.isOver = true;
        signal?.removeEventListener?.('abort', abort);
      };
      const abort = () => {
        end();
        reject(new CanceledError(undefined, config));
      };
      const timer =
        timeout &&
        time.callersTimer(timeout, () => {
          end();
          reject(new AxiosError(`timeout of ${timeout}ms exceeded`, AxiosError.ECONNABORTED, config, {}));
        });
      if (signal?.aborted) {
        abort();
        return;
      }
      signal?.addEventListener?.('abort', abort);
      onRequest(url);
      service.take({
        path: url,
        reply: (reply) => {
          const hear = () => {
            end();
            if (typeof reply === 'number') settle(responseOf(reply, config), resolve, reject);
            else reject(connectionError(reply, config));
          };
          time.forCallers(hear)();
        },
      });
    });

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  200: 'OK',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

const responseOf = (status: number, config: InternalAxiosRequestConfig): AxiosResponse => ({
  status,
  statusText: STATUS_TEXTS[status] ?? '',
  data: status === 200 ? { ok: true } : '',
  headers: {},
  config,
  request: {},
});

function settle(
  response: AxiosResponse,
  resolve: (response: AxiosResponse) => void,
  reject: (error: unknown) => void,
): void {
  const { status, config, request } = response;
  const { validateStatus } = config;
  if (!validateStatus || validateStatus(status)) {
    resolve(response);
    return;
  }
  const code = status < 500 ? AxiosError.ERR_BAD_REQUEST : AxiosError.ERR_BAD_RESPONSE;
  reject(new AxiosError(`Request failed with status code ${status}`, code, config, request, response));
}

function connectionError(reply: Exclude<Reply, number>, config: InternalAxiosRequestConfig): AxiosError {
  const code = reply === 'refused' ? 'ECONNREFUSED' : 'ECONNRESET';
  const cause = Object.assign(new Error(reply === 'refused' ? 'connect ECONNREFUSED 192.0.2.1:80' : 'socket hang up'), {
    code,
    syscall: reply === 'refused' ? 'connect' : 'read',
  });
  return AxiosError.from(cause, code, config, {});
}
