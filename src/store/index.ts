export type {
  CircuitVersion,
  Opening,
  ProbeRules,
  SharedThreshold,
  SharedView,
} from '../circuit/link.js';
export { sharedStore } from '../fleet/fleet.js';
export { memoryEngine } from '../fleet/memory-engine.js';
export type { SharedStoreOptions } from '../fleet/options.js';
export type {
  FailureReport,
  ForceRequest,
  LeaseReply,
  LeaseRequest,
  OutcomesOfAge,
  ReportReply,
  Run,
  Settlement,
  StoreEngine,
  StoreListener,
  StoreRequest,
} from '../fleet/store.js';
