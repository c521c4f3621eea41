import { mean } from './spread.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** How much y grows per unit of x, by least squares: what goes up and down hardly counts, what goes on growing does. */
export function slopeOf(points: readonly Point[]): number {
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const covariance = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
}
