import { attach, type ResilienceOptions } from 'axios-resilience';
import { openTelemetrySink } from 'axios-resilience/opentelemetry';
import { prometheusSink } from 'axios-resilience/prometheus';
import { redisStore } from 'axios-resilience/redis';
import { memoryEngine, type StoreEngine, sharedStore } from 'axios-resilience/store';

const engine: StoreEngine = memoryEngine();
const options: ResilienceOptions = { breaker: { store: sharedStore(engine) } };

export const found = [attach, openTelemetrySink, prometheusSink, redisStore, options];
