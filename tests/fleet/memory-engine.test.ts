import { setImmediate } from 'node:timers/promises';
import { memoryEngine } from '../../src/store/index.js';
import { manualClock } from '../circuit/support.js';
import { type ContractStore, storeContract } from './store-contract.js';

const WEEK_MS = 604_800_000;

async function makeStore(): Promise<ContractStore> {
  const clock = manualClock(1_000_000);
  const store = memoryEngine(clock.now);
  return {
    store,
    pass: async (milliseconds) => {
      clock.advance(milliseconds);
      await setImmediate();
    },
    forget: async () => clock.advance(WEEK_MS),
    forgetsWithin: async (key, milliseconds) => {
      clock.advance(milliseconds);
      return (await store.read(key)).epoch === '';
    },
    close: async () => undefined,
  };
}

storeContract('memoryEngine', makeStore);
