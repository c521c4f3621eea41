import type { AxiosInstance } from 'axios';
import { attach, type ResilienceOptions } from '../../dist/index.js';
import { memoryEngine, type StoreEngine } from '../../dist/store.js';
import { BARE, type Caller, CLIENTS, OURS } from '../clients.js';
import { FLEET, sharing } from './fleet-client.js';
import { LIMITER_VARIANTS } from './limiter-variants.js';
import { VARIANTS as SETTINGS } from './variants.js';

const VARIANTS = { ...SETTINGS, ...LIMITER_VARIANTS };

/** Who is compared, as the README of each advises; its circuit with the cooldown that it has by default. */
export const COMPARED = [
  BARE,
  'axios-retry',
  'axios-retry, timeouts too',
  'retry-axios',
  'axios-retry + opossum',
  'cockatiel',
  OURS,
] as const;

const SHORT: Readonly<Record<string, string>> = { bare: BARE, ours: OURS, fleet: FLEET };

/** The whole name of a client or of a variant of ours. */
export function clientNamed(name: string): string {
  const whole = SHORT[name] ?? name;
  if (whole === FLEET || Object.hasOwn(CLIENTS, whole) || Object.hasOwn(VARIANTS, whole)) return whole;
  throw new Error(
    `There is no client "${name}"; there are ${[...Object.keys(CLIENTS), ...Object.keys(VARIANTS)].join(', ')}`,
  );
}

const equipOurs = (api: AxiosInstance, options: ResilienceOptions): Caller => {
  attach(api, options);
  return { get: (url) => api.get(url), post: (url, data) => api.post(url, data) };
};

/** Equips an instance of axios; `options` are for this package as it is by default, the store is that of the fleet. */
export async function equip(
  api: AxiosInstance,
  client: string,
  options: ResilienceOptions = {},
  engine: StoreEngine = memoryEngine(),
): Promise<Caller> {
  if (client === FLEET) return equipOurs(api, sharing(engine, options));
  const variant = VARIANTS[client] ?? (client === OURS ? () => options : undefined);
  if (variant) return equipOurs(api, variant());
  return CLIENTS[client as keyof typeof CLIENTS].equip(api);
}
