/** What beats say: how an earlier tracing lies under this one, and the axis from the net area of QRS. */

/** How far about a beat its QRS reaches when nobody has said where it begins and ends. */
const QRS_HALF_S = 0.06
const BASELINE_S = 0.04

function nearest(times: readonly number[], at: number): number | undefined {
  let best: number | undefined
  for (const time of times) if (best === undefined || Math.abs(time - at) < Math.abs(best - at)) best = time
  return best
}

/**
 * Seconds to add to a time of this recording to find the same place of a beat in the other, for a stretch of this one:
 * its first whole beat lies on the beat of the other that comes nearest. Null where one of them has no beats.
 */
export function alignment(here: readonly number[], there: readonly number[], from: number, to: number): number | null {
  const margin = Math.min(0.2, (to - from) / 4)
  const beat = here.find((time) => time >= from + margin && time <= to - margin) ?? here.find((time) => time >= from && time <= to)
  if (beat === undefined) return null
  const other = nearest(there, beat)
  return other === undefined ? null : other - beat
}

/** A stretch of this recording and how far from it the same beat lies in the other. */
export interface Aligned {
  from: number
  to: number
  shift: number
}

/** Share of an RR interval that belongs to the beat behind it: its P wave. */
const AHEAD = 0.38

/**
 * Beat upon beat: each beat of a stretch with the beat of the other recording that has the same place in its row, so
 * that their rates need not be equal. The other's whole stretch, shifted by `otherwise`, where one of them has no beats.
 */
export function alignedBeats(here: readonly number[], there: readonly number[], from: number, to: number, otherwise = 0): Aligned[] {
  const beats = here.filter((time) => time > from - 1 && time < to + 1)
  const seen = beats.findIndex((time) => time >= from)
  const first = there.length && seen >= 0 ? there.indexOf(nearest(there, beats[seen]!)!) - seen : 0
  if (!there.length || seen < 0) return [{ from, to, shift: otherwise }]
  return beats.flatMap((beat, i) => {
    const other = there[first + i]
    if (other === undefined) return []
    const rr = (beats[i + 1] ?? beat + (beat - (beats[i - 1] ?? beat - 0.8))) - beat
    const before = i > 0 ? (beat - beats[i - 1]!) * AHEAD : rr * AHEAD
    const [start, end] = [Math.max(from, beat - before), Math.min(to, beat + rr * (1 - AHEAD))]
    return end > start ? [{ from: start, to: end, shift: other - beat }] : []
  })
}

export interface QrsWindow {
  /** Seconds from the R peak. */
  on: number
  off: number
}

/** Net area of QRS over the beats that are whole, in microvolt seconds a beat. */
export function netArea(valueAt: (time: number) => number, rateHz: number, peaks: readonly number[], qrs: QrsWindow): number | null {
  let sum = 0
  let beats = 0
  for (const peak of peaks) {
    const area = areaOf(valueAt, rateHz, peak, qrs)
    if (Number.isNaN(area)) continue
    sum += area
    beats += 1
  }
  return beats ? sum / beats : null
}

function areaOf(valueAt: (time: number) => number, rateHz: number, peak: number, qrs: QrsWindow): number {
  const step = 1 / rateHz
  let baseline = 0
  let count = 0
  for (let at = peak + qrs.on - BASELINE_S; at < peak + qrs.on - step / 2; at += step, count++) baseline += valueAt(at)
  baseline /= count
  let area = 0
  for (let at = peak + qrs.on; at <= peak + qrs.off; at += step) area += (valueAt(at) - baseline) * step
  return area
}

/** Degrees of the frontal plane; aVF is an augmented lead, 2/√3 smaller than a bipolar one of the same vector. */
export function axis(areaI: number, areaAvf: number): number | null {
  if (Math.hypot(areaI, areaAvf) === 0) return null
  return (Math.atan2((areaAvf * 2) / Math.sqrt(3), areaI) * 180) / Math.PI
}

export const ABOUT_R: QrsWindow = { on: -QRS_HALF_S, off: QRS_HALF_S }
