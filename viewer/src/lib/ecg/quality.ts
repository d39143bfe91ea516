/** Stretches of a lead that are no tracing of a heart: not recorded, flat, or cut off by the amplifier. */

export type MarkKind = 'gap' | 'flat' | 'saturated'

export interface Mark {
  kind: MarkKind
  /** Samples, the second exclusive. */
  from: number
  to: number
}

/** Between two beats the line may rest; not for so long to the same microvolt. */
const FLAT_S = 2
const SAME_UV = 0.5
/** No wave of a heart stands still at the largest value of its lead for so long… */
const SATURATED_S = 0.04
/** …nor do amplifiers give out below this. */
const SATURATED_UV = 2_500

function constantRuns(samples: Float32Array, least: number): Mark[] {
  const runs: Mark[] = []
  for (let from = 0; from < samples.length; ) {
    const first = samples[from]!
    const gap = Number.isNaN(first)
    let to = from + 1
    if (gap) while (to < samples.length && Number.isNaN(samples[to])) to += 1
    else while (to < samples.length && Math.abs(samples[to]! - first) < SAME_UV) to += 1
    if (gap || to - from >= least) runs.push({ kind: gap ? 'gap' : 'flat', from, to })
    from = to
  }
  return runs
}

export function marksOf(samples: Float32Array, rateHz: number): Mark[] {
  let low = Infinity
  let high = -Infinity
  for (const value of samples) {
    if (value < low) low = value
    if (value > high) high = value
  }
  const limit = (value: number) => Math.abs(value) >= SATURATED_UV && (value <= low + SAME_UV || value >= high - SAME_UV)
  const marks: Mark[] = []
  for (const run of constantRuns(samples, Math.max(3, Math.round(SATURATED_S * rateHz)))) {
    const long = run.to - run.from >= Math.min(FLAT_S * rateHz, samples.length)
    if (run.kind === 'gap') marks.push(run)
    else if (high > low && limit(samples[run.from]!)) marks.push({ ...run, kind: 'saturated' })
    else if (long) marks.push(run)
  }
  return merged(marks, Math.round(0.1 * rateHz))
}

/** Those of one kind that lie close together are one: an amplifier at its limit lets a value through now and then. */
function merged(marks: Mark[], near: number): Mark[] {
  const found: Mark[] = []
  for (const mark of marks) {
    const last = found.at(-1)
    if (last && last.kind === mark.kind && mark.kind === 'saturated' && mark.from - last.to <= near) last.to = mark.to
    else found.push({ ...mark })
  }
  return found
}
