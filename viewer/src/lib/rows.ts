/** A list that changes under somebody's eyes: rows are updated in place, nothing moves until the person asks. */

export interface Merged<T> {
  /** What is on the screen, in its old order. */
  shown: T[]
  /** On the server, not yet on the screen. */
  fresh: T[]
  /** Keys of rows on the screen that have left the list. */
  gone: Set<string>
}

export function mergeRows<T>(shown: T[], latest: T[], keyOf: (row: T) => string): Merged<T> {
  const newest = new Map(latest.map((row) => [keyOf(row), row]))
  const known = new Set(shown.map(keyOf))
  return {
    shown: shown.map((row) => newest.get(keyOf(row)) ?? row),
    fresh: latest.filter((row) => !known.has(keyOf(row))),
    gone: new Set([...known].filter((key) => !newest.has(key))),
  }
}

/** The index after moving by `by` rows; stays inside. */
export function step(index: number, by: number, length: number): number {
  if (length === 0) return -1
  return Math.min(length - 1, Math.max(0, index + by))
}
