import type { AxiosInstance, AxiosRequestConfig } from 'axios';
import type { Answer, TestServer } from '../support/server.js';

/** How a call ended: with which status or, where no answer came, with which code or name of an error. */
export const endOf = (call: Promise<{ readonly status: number }>): Promise<number | string> =>
  call.then(
    ({ status }) => status,
    (error: unknown) => {
      const { response, code, name } = error as { response?: { status: number }; code?: string; name: string };
      return response?.status ?? code ?? name;
    },
  );

/** How many requests a call sends to a server that answers so, and how it ends. */
export async function told(
  server: TestServer,
  api: AxiosInstance,
  config: AxiosRequestConfig,
  answers: readonly Answer[],
): Promise<[requests: number, end: number | string]> {
  server.script(...answers);
  const before = server.requests.length;
  const end = await endOf(api.request(config));
  return [server.requests.length - before, end];
}
