import type { Outcome } from '../events.js';
import { readHeader } from '../retry-after.js';
import type { LimitedRequest, LimiterLike } from './contract.js';
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
  readonly #isOnItsClock: boolean;

  /** @param isOnItsClock Whether the limiter has the clock by which attempts are settled; one of the user's may have its own. */
  constructor(attempt: LimitedRequest, slot: Slot, giver: Giver, isOnItsClock: boolean) {
    this.#attempt = attempt;
    this.#slot = slot;
    this.#giver = giver;
    this.#isOnItsClock = isOnItsClock;
  }

  settle(said: Outcome, now?: number, details?: { readonly isTimeout?: boolean | undefined }): Outcome {
    const { limiter, changed } = this.#giver;
    if (now === undefined) {
      this.#slot.cancel();
      changed();
      return said;
    }
    const { outcome = said, response, config } = this.#attempt;
    const status = response?.status;
    const header = response && ((name: string) => readHeader(response.headers, name));
    const reason = outcome === 'failure' ? limitedReason(status, details?.isTimeout) : undefined;
    const ended = { outcome, reason, status, header, timeoutMs: Number(config.timeout) || undefined };
    this.#slot.end(ended, this.#isOnItsClock ? now : undefined);
    changed();
    return status === 429 && limiter.heldMs > 0 ? 'neutral' : said;
  }
}
