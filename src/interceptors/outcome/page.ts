import { monotonicClock } from '../../clock.js';

/** How long it takes until a page that begins to be left is gone, ms. If it is there for longer, it stays: so with a download. */
const LEAVING_MS = 1_000;

interface Watchable {
  addEventListener?(type: string, listener: () => void): void;
}

let watched: unknown;
let leavingSince = Number.NEGATIVE_INFINITY;

/** Notes from now on when the page begins to be left, where there is one. */
export function watchPage(): void {
  const { window } = globalThis as { window?: Watchable };
  if (!window || window === watched || typeof window.addEventListener !== 'function') return;
  watched = window;
  const note = () => {
    leavingSince = monotonicClock.now();
  };
  window.addEventListener('beforeunload', note);
  window.addEventListener('pagehide', note);
}

/** How long the page may still be about to go, ms; 0 where it is not being left. */
export const leavingMs = (): number => Math.max(0, leavingSince + LEAVING_MS - monotonicClock.now());

/** Whether what breaks off now may be the browser's doing: it is offline, or the page is being left. */
export const isOnlyThePage = (): boolean =>
  (globalThis.navigator as Navigator | undefined)?.onLine === false || leavingMs() > 0;
