/** Sizes and counts with their units. */
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']

export function bytesText(bytes: number | null | undefined): string {
  let value = bytes ?? 0
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}
