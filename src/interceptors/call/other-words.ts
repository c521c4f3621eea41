/** What other libraries call an option of ours, or what it was once called here. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  '`retry.retries`': 'retry limit maxAttempts maxRetries',
  '`retry.backoff`': 'retryDelay delay baseMs backoffType maxRetryDelay initialDelay maxDelay',
  '`retry.shouldRetry`': 'retryCondition',
  '`retry.shouldRetryResponse`': 'validateResponse',
  '`retry.statusCodes`': 'status statuses statusCodesToRetry',
  '`retry.errorCodes`': 'codes',
  '`retry.methods`': 'httpMethodsToRetry',
  'the event `retry`': 'onRetry onRetryAttempt',
  'the event `call`': 'onMaxRetryTimesExceeded',
  "`deadlineMs`, or axios's `timeout` for each attempt": 'timeout timeoutMs shouldResetTimeout',
  '`breaker.cooldownMs`': 'resetTimeout halfOpenAfter',
  '`breaker.detector`, such as failureRateInWindow({ rate, windowMs, minAttempts })':
    'errorThresholdPercentage volumeThreshold rollingCountTimeout threshold failureThreshold failureRate rate windowMs minAttempts',
  '`limiter`, such as concurrencyLimit(10)': 'capacity',
  '`classify`': 'errorFilter',
  '`key`': 'name group',
  '`false` in the place of options': 'enabled',
};

/** What a word of others is here. */
export const inOurWords = (word: string): string | undefined =>
  Object.keys(OTHER_WORDS).find((ours) => OTHER_WORDS[ours]?.split(' ').includes(word));
