import { BY_HAND } from './script/by-hand.js';
import { PRELUDE } from './script/prelude.js';
import { PROBING } from './script/probing.js';
import { REPORT } from './script/report.js';

/**
 * Every operation on a shared circuit, atomic and by the server's clock. No operation costs more where more processes
 * report.
 *
 * KEYS: the circuit's hash, the sorted set of its leases (member: token, score: end), the sorted set of the processes that
 * have failed (score: when; only where the quorum is above 1), and for a report the number of the latest one of its process.
 * ARGV: operation, key as JSON, channel, epoch to start with, known epoch, known generation, rememberMs, expiresAt, by; then,
 * by operation:
 * report — reporter, sequence, tripped, quorum, gatherMs, cooldownMs, openings, why, windowMs (-1: no threshold), failures,
 * rate, minimum, minSpanMs, maxAgeMs, rules, outcomes (age:bad:total;...), failures of the run, age of its first, age of its
 * last (-1: nothing failed), age of the last success (-1: none);
 * acquire — token, leaseMs, permits, waitedMs, allowed, cooldownMs, openings;
 * settle — token, leased, outcome, needed, allowed, cooldownMs, openings, why;
 * force — state, cooldownMs, openings, why; read and prove — nothing.
 * Reply: epoch, generation, state, remainingMs, cooldownMs, openings, forced, by, why, and of the question that is asked its
 * remaining time, window and age, then muted, at; for a report then failures, total, judgeInMs, rules of another process; for
 * acquire granted, free, retryAfterMs.
 *
 * The hash: epoch, generation, state, until, cooldown, attempts (openings in succession), successes and failures (of probes),
 * settled (tokens that counted), lost (tokens of probes whose leases ran out), lease (the longest of this generation), forced,
 * by, why; ask (when a question was put), askFor (0: it is answered), askWindow, askSince; remember; rules; run (count:first:last:success) and, for each length of a
 * window, w<ms> (index:bad:total;...).
 * Nothing lasts longer than its own length after now, whatever is stored: the clock may have been set back.
 */
export const SCRIPT = PRELUDE + REPORT + PROBING + BY_HAND;
