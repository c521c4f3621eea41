import type { Outcome } from '../events.js';
import type { LimitedRequest, LimiterLike, LimitersOptions } from './contract.js';
import { limitedReason } from './reason.js';
import type { Slot } from './turnstile.js';

/** Whose slot it is. */
interface Giver {
  readonly limiter: LimiterLike;
  /** Called when the slot has been given back. */
  readonly changed: () => void;
}

/** The slot of an attempt that passed, as guards of attempts give it. */
export class SlotPass {
  readonly admitted = true;
  readonly #attempt: LimitedRequest;
  readonly #slot: Slot;
  readonly #giver: Giver;
  readonly #options: Pick<LimitersOptions, 'only' | 'readHeader'>;

  constructor(
    attempt: LimitedRequest,
    slot: Slot,
    giver: Giver,
    options: Pick<LimitersOptions, 'only' | 'readHeader'>,
  ) {
    this.#attempt = attempt;
    this.#slot = slot;
    this.#giver = giver;
    this.#options = options;
  }

  settle(said: Outcome, now?: number, details?: { readonly isTimeout?: boolean | undefined }): Outcome {
    const { limiter, changed } = this.#giver;
    if (now === undefined) {
      this.#slot.cancel();
      changed();
      return said;
    }
    const { readHeader, only } = this.#options;
    const { outcome = said, response, config } = this.#attempt;
    const status = response?.status;
    const header = response && ((name: string) => readHeader(response.headers, name));
    const reason = outcome === 'failure' ? limitedReason(status, details?.isTimeout) : undefined;
    const ended = { outcome, reason, status, header, timeoutMs: Number(config.timeout) || undefined };
    // A limiter of the user's may have a clock of its own.
    this.#slot.end(ended, only ? undefined : now);
    changed();
    return status === 429 && limiter.heldMs > 0 ? 'neutral' : said;
  }
}
