import type { Outcome } from '../events.js';
import type { Permit, Rejection } from './contract.js';
import type { Lease } from './link.js';
import type { FailureDetails } from './options.js';

/** Takes back the permits that it gives. */
export interface PermitIssuer {
  settled(permit: IssuedPermit, outcome: Outcome, now: number | undefined, details: FailureDetails | undefined): void;
}

/** What a probe is given on. */
interface ProbeTerms {
  readonly leaseMs: number;
  readonly timeoutMs: number | undefined;
  readonly lease: Lease | undefined;
}

/** The generation of permits that are given in `observe` where `enforce` would reject: no outcome of theirs counts. */
export const UNCOUNTED = -1;

/** The right to one attempt. What only a probe has is set by that alone: permits are made for every healthy call. */
export class IssuedPermit implements Permit {
  readonly admitted = true;
  /** The generation of the circuit in which it was given. */
  readonly generation: number;
  readonly acquiredAt: number;
  /** The call that the attempt is of. */
  readonly caller: object | undefined;
  readonly timeoutMs?: number | undefined;
  /** For a probe of the whole fleet. */
  readonly lease?: Lease | undefined;
  /** The failures in a row since which it was given, 0 for none; written by `PartialFault`. */
  run = 0;
  #issuer: PermitIssuer | undefined;

  constructor(issuer: PermitIssuer, generation: number, acquiredAt: number, caller?: object) {
    this.#issuer = issuer;
    this.generation = generation;
    this.acquiredAt = acquiredAt;
    this.caller = caller;
  }

  get isProbe(): boolean {
    return false;
  }

  settle(outcome: Outcome, now?: number, details?: FailureDetails): void {
    const issuer = this.#issuer;
    this.#issuer = undefined;
    issuer?.settled(this, outcome, now, details);
  }
}

export class ProbePermit extends IssuedPermit {
  readonly leaseUntil: number;
  override readonly timeoutMs: number | undefined;
  override readonly lease: Lease | undefined;

  constructor(issuer: PermitIssuer, generation: number, now: number, caller: object | undefined, terms: ProbeTerms) {
    super(issuer, generation, now, caller);
    this.leaseUntil = now + terms.leaseMs;
    this.timeoutMs = terms.timeoutMs;
    this.lease = terms.lease;
  }

  override get isProbe(): boolean {
    return true;
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
