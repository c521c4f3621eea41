// @vitest-environment happy-dom
import { build } from 'esbuild';
import { act, type ReactNode, StrictMode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { api, resilience } from '../../examples/react/api.js';
import { UserName } from '../../examples/react/user-name.js';
import { type ScriptedAdapter, scripted } from '../support/scripted-adapter.js';

let adapter: ScriptedAdapter;
let root: Root;

beforeEach(() => {
  (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  vi.useFakeTimers();
  adapter = scripted();
  api.defaults.adapter = adapter;
  root = createRoot(document.body);
});
afterEach(async () => {
  await act(async () => root.unmount());
  vi.useRealTimers();
  for (const { key } of [...resilience.breakers]) resilience.breakers.delete(key);
});

const show = (element: ReactNode) => act(async () => root.render(element));
const pass = (timers: () => Promise<unknown>) =>
  act(async () => {
    await timers();
  });

test('mounted twice by StrictMode it shows what the second call brought; the first is cancelled and counts nothing', async () => {
  const ends: (string | undefined)[] = [];
  resilience.on('call', ({ stopped }) => ends.push(stopped));
  adapter.script(503, { status: 200, data: { name: 'Ada' } });
  await show(
    <StrictMode>
      <UserName id="42" />
    </StrictMode>,
  );
  await pass(() => vi.runAllTimersAsync());
  expect(document.body.textContent).toBe('Ada');
  expect(ends.sort()).toEqual(['aborted', 'success']);
});

test('it tells that the circuit is open, and for how long', async () => {
  resilience.breakers.ensure(`GET ${location.origin}/api`).trip({ cooldownMs: 5_000 });
  await show(
    <StrictMode>
      <UserName id="42" />
    </StrictMode>,
  );
  await pass(() => vi.runAllTimersAsync());
  expect(document.body.textContent).toBe('Try again in 5 s');
  expect(adapter.attempts).toHaveLength(0);
});

test('when it goes, its call ends, also in the wait for a retry', async () => {
  adapter.script(503);
  await show(<UserName id="42" />);
  await pass(() => vi.advanceTimersByTimeAsync(0));
  const before = adapter.attempts.length;
  await show(null);
  await pass(() => vi.runAllTimersAsync());
  expect(before).toBe(1);
  expect(adapter.attempts).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('esbuild bundles it for a browser without a warning, and without modules of Node', async () => {
  const { warnings, outputFiles } = await build({
    entryPoints: ['examples/react/user-name.tsx'],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    jsx: 'automatic',
    define: { 'import.meta.hot': 'undefined' },
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  expect(outputFiles[0]?.text).toContain('axios-resilience');
  expect(outputFiles[0]?.text).not.toMatch(/from "node:|require\("node:/);
});
