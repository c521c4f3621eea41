/** Puts a value under its key as the one that was used last. Where there are more than `most`, the least recently used goes. */
export function keepRecent<Value>(map: Map<string, Value>, key: string, value: Value, most: number): Value {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most) map.delete(oldest as string);
  return value;
}
