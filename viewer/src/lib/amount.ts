/** Sizes and counts, as people read them. */
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']

/** Lists are counted up to here (`counts` in docs/http.md); behind that only the page goes on. */
const COUNTED_LIMIT = 500

export function countText(count: number | null | undefined): string {
  if (count === null || count === undefined) return ''
  return count >= COUNTED_LIMIT ? `${COUNTED_LIMIT}+` : String(count)
}

export function bytesText(bytes: number | null | undefined): string {
  let value = bytes ?? 0
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}
