import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

/** Everything that the main entry exports. What is added here is promised to users: at most 60 names. */
const EXPORTS = {
  values: [
    'BreakerRegistry',
    'CircuitBreaker',
    'CircuitOpenError',
    'DEFAULTS',
    'LimitError',
    'Limiter',
    'RetryBudget',
    'adaptiveLimit',
    'allOf',
    'anyOf',
    'attach',
    'byMethodAndOrigin',
    'byOrigin',
    'concurrencyLimit',
    'consecutiveFailures',
    'customLimit',
    'decorrelatedJitter',
    'equalJitter',
    'exponential',
    'failureRate',
    'failureRateInWindow',
    'failuresInWindow',
    'fullJitter',
    'isRejectedError',
    'logSink',
    'memorySink',
    'rateLimit',
    'reportOf',
    'resilienceOf',
    'retry',
    'slowCallRate',
  ],
  types: [
    'BreakerOptions',
    'CallContext',
    'CircuitBreakerOptions',
    'CircuitPermit',
    'CircuitState',
    'CircuitStats',
    'Delay',
    'DetectorFactory',
    'FailureDetector',
    'FallbackContext',
    'KeyFunction',
    'Limit',
    'LimitRule',
    'MemorySink',
    'Outcome',
    'RegistrySnapshot',
    'RejectionContext',
    'Resilience',
    'ResilienceEvent',
    'ResilienceEvents',
    'ResilienceOptions',
    'ResilienceReport',
    'ResilienceRequestOptions',
    'RetryContext',
    'RetryOptions',
    'SharedStore',
    'Sink',
    'Stopped',
    'UpdateOptions',
  ],
};

const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url));
const program = ts.createProgram([entry], {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  types: [],
});

test('the main entry exports these names and no others, at most 60', () => {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error('There is no main entry');
  const isValue = (symbol: ts.Symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    return Boolean(target.flags & ts.SymbolFlags.Value);
  };
  const found = checker.getExportsOfModule(module);
  const names = (ofValues: boolean) =>
    found
      .filter((symbol) => isValue(symbol) === ofValues)
      .map(({ name }) => name)
      .sort();
  expect({ values: names(true), types: names(false) }).toEqual({
    values: EXPORTS.values.sort(),
    types: EXPORTS.types.sort(),
  });
  expect(found.length).toBeLessThanOrEqual(60);
});
