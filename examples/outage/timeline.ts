import type { CircuitState } from 'axios-resilience';
import type { Caller } from './callers.js';
import { drawPicture, fits } from './picture.js';
import type { Arrival, Phase } from './service.js';
import { Canvas, canDraw, paint, print } from './terminal.js';
import { countsOf } from './words.js';

/** From when on something was in a state. */
export interface Change<State> {
  readonly at: number;
  readonly state: State;
}

/** Everything there is to draw. */
export interface Scene {
  readonly durationMs: number;
  readonly timeoutMs: number;
  readonly callsPerSecond: number;
  readonly now: () => number;
  readonly arrivals: readonly Arrival[];
  readonly plain: Caller;
  readonly resilient: Caller;
  readonly service: readonly Change<Phase>[];
  readonly circuit: readonly Change<CircuitState>[];
}

/** What is shown while the callers call. */
export interface Timeline {
  /** How often `update` is worth calling, ms. */
  readonly everyMs: number;
  update(): void;
  announce(subject: 'service' | 'circuit', text: string): void;
}

export const openTimeline = (scene: Scene): Timeline =>
  canDraw && fits() ? drawnTimeline(scene) : writtenTimeline(scene);

const line = (at: number, subject: string, text: string): string =>
  `${paint('dim', `${(at / 1000).toFixed(1).padStart(6)} s`)}  ${paint('bold', subject.padEnd(7))}  ${text}`;

/** One line for what happened since the last one. */
function writtenTimeline({ now, plain, resilient }: Scene): Timeline {
  const seen = new Map<Caller, number>();
  const latest = (caller: Caller) => {
    const calls = caller.finished.slice(seen.get(caller));
    seen.set(caller, caller.finished.length);
    return `${caller.name}: ${countsOf(calls) || 'no answer yet'}`;
  };
  return {
    everyMs: 500,
    update: () => print(line(now(), 'calls', `${latest(plain).padEnd(40)}${latest(resilient)}`)),
    announce: (subject, text) => print(line(now(), subject, text)),
  };
}

/** A picture that grows to the right, under lines that scroll away. */
function drawnTimeline(scene: Scene): Timeline {
  const canvas = new Canvas();
  return {
    everyMs: 100,
    update: () => canvas.draw(drawPicture(scene)),
    announce: (subject, text) => canvas.draw(drawPicture(scene), [line(scene.now(), subject, text)]),
  };
}
