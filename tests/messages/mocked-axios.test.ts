import axios from 'axios';
import { expect, test, vi } from 'vitest';
import { attach } from '../../src/index.js';

vi.mock('axios');

const MOCK = 'Expected `instance` to be an axios instance, got a mock of one: mock its adapter instead';

test('attach says that axios is mocked, and what a mocked create returns', () => {
  expect(() => attach(axios)).toThrow(new TypeError(MOCK));
  expect(() => attach(axios.create())).toThrow(
    new TypeError(
      'Expected `instance` to be an axios instance, which a mocked axios.create() does not return, got undefined',
    ),
  );
  vi.mocked(axios.create).mockReturnValue(axios);
  expect(() => attach(axios.create())).toThrow(new TypeError(MOCK));
});
