/** Where the points of an item's last values lie: of the small line in a row, and of the plot that opens under it. */
import type { Abnormal, LabItemShown, LabRangeShown } from '@/api/lab'
import type { Time } from '@/api/types'

export interface TrendPoint {
  value: string
  number: number
  observed_at: Time
  abnormal: Abnormal
  critical: boolean
  now: boolean
}

export interface Frame {
  width: number
  height: number
  /** Left free on every side, and on the left and the right where it is another. */
  edge: number
  side?: number
}

export interface Drawn {
  points: (TrendPoint & { x: number; y: number })[]
  line: string
  band: { y: number; height: number } | null
  /** Values at which the axis is marked. */
  ticks: { y: number; text: string }[]
}

/** Oldest first, the present value last; what is no number is no point. */
export function pointsOf(item: LabItemShown): TrendPoint[] {
  const before = item.history
    .filter((one): one is typeof one & { number: number } => one.number !== null)
    .map((one) => ({ ...one, critical: ['LL', 'HH', 'AA'].includes(one.abnormal), now: false }))
    .reverse()
  const { result } = item
  if (!result || result.number === null) return before
  const { value, number, observed_at, abnormal, critical } = result
  return [...before, { value, number, observed_at, abnormal, critical, now: true }]
}

/** Evenly apart: what counts is the sequence; dates stand beside the values. */
export function draw(points: readonly TrendPoint[], range: LabRangeShown | null, frame: Frame): Drawn {
  const [least, most] = extent(points, range)
  const side = frame.side ?? frame.edge
  const inner = { width: frame.width - 2 * side, height: frame.height - 2 * frame.edge }
  const at = (number: number) => round(frame.edge + inner.height * (1 - (number - least) / (most - least)))
  const step = points.length > 1 ? inner.width / (points.length - 1) : 0
  const placed = points.map((point, i) => ({ ...point, x: round(points.length > 1 ? side + i * step : frame.width / 2), y: at(point.number) }))
  const limits = [range?.high ?? null, range?.low ?? null].filter((one): one is number => one !== null)
  return {
    points: placed,
    line: placed.map(({ x, y }) => `${x},${y}`).join(' '),
    band: range ? bandOf(range, at, frame) : null,
    ticks: limits.map((limit) => ({ y: at(limit), text: String(limit) })),
  }
}

/** From the least to the most of values and limits, and a little beyond. */
function extent(points: readonly TrendPoint[], range: LabRangeShown | null): [number, number] {
  const numbers = [...points.map((point) => point.number), range?.low ?? null, range?.high ?? null].filter((one): one is number => one !== null)
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  const beyond = (most - least || Math.abs(most) || 1) * 0.08
  return [least - beyond, most + beyond]
}

/** A range that is open on one side reaches to the edge. */
function bandOf(range: LabRangeShown, at: (number: number) => number, frame: Frame): Drawn['band'] {
  if (range.low === null && range.high === null) return null
  const top = range.high === null ? 0 : at(range.high)
  const bottom = range.low === null ? frame.height : at(range.low)
  return { y: top, height: round(bottom - top) }
}

const round = (n: number): number => Math.round(n * 10) / 10
