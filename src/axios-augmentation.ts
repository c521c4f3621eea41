import type { ResilienceReport } from './interceptors/call/report.js';
import type { ResilienceRequestOptions } from './options.js';

declare module 'axios' {
  interface AxiosRequestConfig {
    /** Options of this request, merged over those of the instance; `false`: leave the request alone. */
    resilience?: ResilienceRequestOptions | false | undefined;
    /** The state of the call; read it with `reportOf`. */
    resilienceState?: ResilienceReport | undefined;
  }
}
