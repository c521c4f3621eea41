/** Failures that pass: the same request may succeed when it is sent again. */
export const TRANSIENT_CODES: readonly string[] = Object.freeze([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED', // a timeout, or the peer broke off
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN', // DNS did not answer
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ERR_HTTP2_GOAWAY_SESSION',
  'NGHTTP2_REFUSED_STREAM', // RFC 9113, section 8.7: not processed
  'ERR_NETWORK', // without a more telling cause
]);
