/** Times of a long recording: from its start, and by the clock on the wall. */

const DAY_S = 86_400
const two = (n: number) => String(Math.floor(n)).padStart(2, '0')

/** `0:03.4`, `1:02:03` */
export function elapsed(seconds: number, tenths = false): string {
  const rest = Math.max(0, seconds) + (tenths ? 0.05 : 0.5)
  const [h, m, s] = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60]
  const text = tenths ? `${two(s)}.${Math.floor((s % 1) * 10)}` : two(s)
  return h > 0 ? `${h}:${two(m)}:${text}` : `${m}:${text}`
}

/** The time of day of a moment of the recording; without a start the time since then. */
export function wallClock(startedAt: string | null, seconds: number): string {
  if (!startedAt) return elapsed(seconds)
  const date = new Date(new Date(startedAt).getTime() + Math.round(seconds) * 1000)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/**
 * Where somebody wants to go: `14:32`, `14:32:10` by the clock, its first such time in the recording; `+1:02:03`,
 * `+90` (seconds) from the start. Null when that is no time, or lies outside.
 */
export function parseMoment(text: string, startedAt: string | null, durationS: number): number | null {
  const found = /^(\+?)\s*(?:(\d{1,2})[:：])?(?:(\d{1,2})[:：])?(\d{1,5})$/.exec(text.trim())
  if (!found) return null
  const parts = [found[2], found[3], found[4]].filter((part) => part !== undefined).map(Number)
  const relative = found[1] === '+' || !startedAt
  const at = relative ? sinceStart(parts) : byClock(parts, startedAt)
  return at !== null && at >= 0 && at <= durationS ? at : null
}

function sinceStart(parts: number[]): number | null {
  if (parts.slice(1).some((part) => part >= 60)) return null
  return parts.reduce((sum, part) => sum * 60 + part, 0)
}

function byClock(parts: number[], startedAt: string): number | null {
  const [hours = 0, minutes = 0, seconds = 0] = parts
  if (parts.length < 2 || hours > 23 || minutes > 59 || seconds > 59) return null
  const start = new Date(startedAt)
  const of = start.getHours() * 3600 + start.getMinutes() * 60 + start.getSeconds()
  return (hours * 3600 + minutes * 60 + seconds - of + DAY_S) % DAY_S
}
