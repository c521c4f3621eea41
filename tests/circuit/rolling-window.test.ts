import { describe, expect, test } from 'vitest';
import { CountWindow, TimeWindow } from '../../src/circuit/detectors/rolling-window.js';

const seen = ({ bad, total }: CountWindow | TimeWindow) => [bad, total];

test.each([1, 3, 7, 33, 1_234])('a window of %i ms lets each outcome go at the end of its tenth bucket', (windowMs) => {
  for (let at = 0; at < 2 * windowMs; at++) {
    const window = new TimeWindow(windowMs);
    window.add(true, at);
    const end = Math.ceil(((Math.floor((at * 10) / windowMs) + 10) * windowMs) / 10);
    window.expire(end - 1);
    expect([at, ...seen(window)]).toEqual([at, 1, 1]);
    window.expire(end);
    expect([at, ...seen(window)]).toEqual([at, 0, 0]);
  }
});

describe('a window of 1,000 ms, in buckets of 100 ms', () => {
  test('forgets a bucket when its time comes round again, and counts anew in its place', () => {
    const window = new TimeWindow(1_000);
    window.add(true, 50);
    window.add(false, 150);
    window.add(true, 999);
    expect(seen(window)).toEqual([2, 3]);
    window.add(false, 1_000);
    expect(seen(window)).toEqual([1, 3]);
    window.expire(1_100);
    expect(seen(window)).toEqual([1, 2]);
    window.add(true, 2_050);
    expect(seen(window)).toEqual([1, 1]);
  });

  test('forgets everything after an idle hour, however the hour falls', () => {
    const window = new TimeWindow(1_000);
    for (let now = 0; now < 1_000; now += 100) window.add(true, now);
    expect(seen(window)).toEqual([10, 10]);
    window.expire(3_600_730);
    expect(seen(window)).toEqual([0, 0]);
    window.expire(3_601_730);
    expect(seen(window)).toEqual([0, 0]);
  });

  test('goes by a clock that starts below 0', () => {
    const window = new TimeWindow(1_000);
    window.add(true, -5_000);
    window.expire(-4_001);
    expect(seen(window)).toEqual([1, 1]);
    window.expire(-4_000);
    expect(seen(window)).toEqual([0, 0]);
  });

  test('keeps what it has when time is told to go back', () => {
    const window = new TimeWindow(1_000);
    window.add(true, 5_000);
    window.add(false, 4_000);
    expect(seen(window)).toEqual([1, 2]);
    window.expire(5_950);
    expect(seen(window)).toEqual([1, 2]);
    window.expire(6_000);
    expect(seen(window)).toEqual([0, 0]);
  });

  test('begins anew when the clock is set back by an hour', () => {
    const window = new TimeWindow(1_000);
    window.add(true, 3_600_050);
    window.add(false, 50);
    expect(seen(window)).toEqual([0, 1]);
    window.add(true, 950);
    expect(seen(window)).toEqual([1, 2]);
    window.expire(1_000);
    expect(seen(window)).toEqual([1, 1]);
  });

  test('saves the buckets that hold anything, with their ages', () => {
    const window = new TimeWindow(1_000);
    window.add(true, 2_000);
    window.add(false, 2_010);
    window.add(false, 2_300);
    expect(window.save(2_450)).toEqual([
      [100, 0, 1],
      [400, 1, 2],
    ]);
  });

  test('loads each bucket at its age, and none that is a window old', () => {
    const window = new TimeWindow(1_000);
    window.add(true, 7_000);
    window.load(
      [
        [0, 1, 1],
        [300, 1, 2],
        [900, 2, 4],
        [1_000, 8, 8],
        [5_000, 16, 16],
      ],
      7_000,
    );
    expect(seen(window)).toEqual([4, 7]);
    window.expire(7_100);
    expect(seen(window)).toEqual([2, 3]);
    window.expire(7_700);
    expect(seen(window)).toEqual([1, 1]);
    window.expire(8_000);
    expect(seen(window)).toEqual([0, 0]);
  });
});

describe('a window of the latest outcomes', () => {
  test.each([1, 31, 32, 33, 100])('of %i counts exactly these, round after round', (size) => {
    const window = new CountWindow(size, undefined);
    const outcomes: boolean[] = [];
    for (let count = 0; count < 3 * size + 7; count++) {
      const isBad = count % 3 === 0 || count % 5 === 0;
      outcomes.push(isBad);
      window.add(isBad, 0);
      const latest = outcomes.slice(-size);
      expect(seen(window)).toEqual([latest.filter(Boolean).length, latest.length]);
    }
    expect(window.save(0).map(([, bad]) => bad === 1)).toEqual(outcomes.slice(-size));
  });

  test('saves ages of 0 where no age counts', () => {
    const window = new CountWindow(3, undefined);
    window.add(true, 100);
    window.add(false, 200);
    expect(window.save(900)).toEqual([
      [0, 1, 1],
      [0, 0, 1],
    ]);
  });
});

test('a window of outcomes that grow old lets those go that a clock which was set back has left in the future', () => {
  const window = new CountWindow(10, 1_000);
  window.add(true, 3_600_000);
  window.add(true, 3_600_100);
  window.add(false, 0);
  expect(seen(window)).toEqual([0, 1]);
});
