/** Calipers: two places on a tracing, the time and the voltage between them. Values only; the paper draws them. */

export interface Caliper {
  id: number
  lead: number
  /** On the rhythm strip, not on the lead's place in the grid. */
  rhythm: boolean
  /** Both on samples; `t1` may come before `t0`. */
  t0: number
  t1: number
  /** Microvolts of both ends; NaN where the tracing has none. */
  v0: number
  v1: number
  /** Its interval is marched out over the whole row. */
  march: boolean
}

export interface Reading {
  ms: number
  /** Null for an interval of nothing. */
  bpm: number | null
  mv: number | null
}

export function snap(time: number, rateHz: number, durationS: number): number {
  const sample = Math.round(time * rateHz)
  return Math.min(Math.max(0, sample), Math.max(0, Math.round(durationS * rateHz) - 1)) / rateHz
}

export function readingOf(caliper: Caliper): Reading {
  const ms = Math.abs(caliper.t1 - caliper.t0) * 1000
  const uv = caliper.v1 - caliper.v0
  return { ms, bpm: ms > 0 ? 60_000 / ms : null, mv: Number.isNaN(uv) ? null : uv / 1000 }
}

export function millivolts(mv: number): string {
  const text = Math.abs(mv).toFixed(2)
  return `${mv < 0 && Number(text) > 0 ? '−' : ''}${text} mV`
}

/** The marks of a march-out between two times: both ends and every multiple of the interval. */
export function marched(caliper: Caliper, from: number, to: number): number[] {
  const step = Math.abs(caliper.t1 - caliper.t0)
  if (step < 0.02) return []
  const marks: number[] = []
  for (let n = Math.ceil((from - caliper.t0) / step); caliper.t0 + n * step <= to; n++) marks.push(caliper.t0 + n * step)
  return marks
}

export type End = 0 | 1

export function moved(caliper: Caliper, end: End, time: number, uv: number): Caliper {
  return end === 0 ? { ...caliper, t0: time, v0: uv } : { ...caliper, t1: time, v1: uv }
}

export const INTERVALS = ['pr_ms', 'qrs_ms', 'qt_ms', 'rr_ms'] as const
export type Interval = (typeof INTERVALS)[number]

/** What a caliper gives the report under this name. */
export function taken(caliper: Caliper, name: Interval): { name: Interval | 'heart_rate_bpm'; value: number; source: 'caliper' }[] {
  const { ms, bpm } = readingOf(caliper)
  if (bpm === null) return []
  const interval = { name, value: Math.round(ms), source: 'caliper' } as const
  return name === 'rr_ms' ? [interval, { name: 'heart_rate_bpm', value: Math.round(bpm), source: 'caliper' }] : [interval]
}
