import type { Outcome } from '../events.js';
import type { Permit, Rejection } from './contract.js';
import type { Lease } from './link.js';
import type { FailureDetails } from './options.js';

/** Takes back the permits that it gives. */
export interface PermitIssuer {
  settled(permit: IssuedPermit, outcome: Outcome, now: number | undefined, details: FailureDetails | undefined): void;
}

/** The generation of permits that are given in `observe` where `enforce` would reject: no outcome of theirs counts. */
export const UNCOUNTED = -1;

export class IssuedPermit implements Permit {
  readonly admitted = true;
  /** The generation of the circuit in which it was given. */
  readonly generation: number;
  readonly acquiredAt: number;
  /** `Infinity`, but for a probe. */
  readonly leaseUntil: number;
  readonly timeoutMs: number | undefined;
  /** For a probe of the whole fleet. */
  readonly lease: Lease | undefined;
  /** The call that the attempt is of. */
  readonly caller: object | undefined;
  #issuer: PermitIssuer | undefined;

  constructor(
    issuer: PermitIssuer,
    generation: number,
    acquiredAt: number,
    leaseUntil = Number.POSITIVE_INFINITY,
    timeoutMs?: number,
    lease?: Lease,
    caller?: object,
  ) {
    this.#issuer = issuer;
    this.generation = generation;
    this.acquiredAt = acquiredAt;
    this.leaseUntil = leaseUntil;
    this.timeoutMs = timeoutMs;
    this.lease = lease;
    this.caller = caller;
  }

  get isProbe(): boolean {
    return this.generation !== UNCOUNTED && this.leaseUntil !== Number.POSITIVE_INFINITY;
  }

  settle(outcome: Outcome, now?: number, details?: FailureDetails): void {
    const issuer = this.#issuer;
    this.#issuer = undefined;
    issuer?.settled(this, outcome, now, details);
  }
}

export class Denial implements Rejection {
  readonly admitted = false;
  readonly retryAfterMs: number;
  readonly #cause: unknown;

  constructor(retryAfterMs: number, cause: unknown) {
    this.retryAfterMs = retryAfterMs;
    this.#cause = cause;
  }

  get cause(): unknown {
    return this.#cause;
  }
}
