/**
 * Filters of the view: notch, baseline (high-pass) and low-pass, forwards and backwards, so that nothing moves in time.
 *
 * Second-order sections after R. Bristow-Johnson's Audio EQ Cookbook; the cut-off is where both passes together have
 * lost 3 dB. A stretch between gaps is filtered for itself; what is NaN stays NaN. The samples given are never changed.
 */

export interface ViewFilters {
  notchHz: 0 | 50 | 60
  baselineHz: 0 | 0.05 | 0.15 | 0.5 | 0.67
  lowPassHz: 0 | 25 | 40 | 100 | 150
}

export const NO_FILTERS: ViewFilters = { notchHz: 0, baselineHz: 0, lowPassHz: 0 }
export const NOTCHES = [0, 50, 60] as const
export const BASELINES = [0, 0.05, 0.15, 0.5, 0.67] as const
export const LOW_PASSES = [0, 150, 100, 40, 25] as const

const NOTCH_Q = 30
/** What a notch has half forgotten after 0.1 s it has wholly forgotten after this. */
const NOTCH_LEAD_S = 1.2
/** Two passes of a second-order Butterworth have lost 3 dB at this multiple of its own cut-off. */
const TWICE = (Math.SQRT2 - 1) ** 0.25
/** A filter needs so much room below half the sampling rate to be itself. */
const MOST_OF_RATE = 0.45

interface Section {
  b0: number
  b1: number
  b2: number
  a1: number
  a2: number
}

/** Whether a cut-off means anything at this sampling rate. */
export function applies(cutoffHz: number, rateHz: number): boolean {
  return cutoffHz > 0 && cutoffHz < rateHz * MOST_OF_RATE
}

function section(b: [number, number, number], a: [number, number, number]): Section {
  return { b0: b[0] / a[0], b1: b[1] / a[0], b2: b[2] / a[0], a1: a[1] / a[0], a2: a[2] / a[0] }
}

function butterworth(cutoffHz: number, rateHz: number, high: boolean): Section {
  const asked = Math.tan((Math.PI * cutoffHz) / rateHz)
  const w = 2 * Math.atan(high ? asked * TWICE : asked / TWICE) // the bilinear transform bends frequencies
  const cos = Math.cos(w)
  const alpha = Math.sin(w) / Math.SQRT2
  const edge = high ? (1 + cos) / 2 : (1 - cos) / 2
  return section([edge, high ? -2 * edge : 2 * edge, edge], [1 + alpha, -2 * cos, 1 - alpha])
}

function notch(hz: number, rateHz: number): Section {
  const w = (2 * Math.PI * hz) / rateHz
  const alpha = Math.sin(w) / (2 * NOTCH_Q)
  return section([1, -2 * Math.cos(w), 1], [1 + alpha, -2 * Math.cos(w), 1 - alpha])
}

/** One pass in place, from the state that the first value would have left behind had it always been there. */
function pass(values: Float64Array, f: Section, backwards: boolean): void {
  const n = values.length
  const step = backwards ? -1 : 1
  let at = backwards ? n - 1 : 0
  const first = values[at]!
  const gain = (f.b0 + f.b1 + f.b2) / (1 + f.a1 + f.a2)
  let z2 = (f.b2 - f.a2 * gain) * first
  let z1 = (f.b1 - f.a1 * gain) * first + z2
  for (let i = 0; i < n; i++, at += step) {
    const x = values[at]!
    const y = f.b0 * x + z1
    z1 = f.b1 * x - f.a1 * y + z2
    z2 = f.b2 * x - f.a2 * y
    values[at] = y
  }
}

/** The run, with what may have been before and after it: turned about its ends, so that neither value nor slope jumps. */
function turned(run: Float32Array, pad: number): Float64Array {
  const n = run.length
  const wide = new Float64Array(n + 2 * pad)
  wide.set(run, pad)
  for (let i = 1; i <= pad; i++) {
    wide[pad - i] = 2 * run[0]! - run[i]!
    wide[pad + n - 1 + i] = 2 * run[n - 1]! - run[n - 1 - i]!
  }
  return wide
}

/** Whole periods of the mains in samples, as near to whole as half a second allows. */
function periods(hz: number, rateHz: number, most: number): number {
  let best = 0
  let off = 1
  for (let m = 1; (m * rateHz) / hz <= Math.min(most, rateHz / 2); m++) {
    const samples = (m * rateHz) / hz
    const error = Math.abs(samples - Math.round(samples))
    if (error < off - 1e-6 || (error < off + 1e-6 && samples < rateHz / 5)) [best, off] = [Math.round(samples), error]
  }
  return best
}

function mean(values: Float32Array, from: number, count: number): number {
  let sum = 0
  for (let i = from; i < from + count; i++) sum += values[i]!
  return sum / count
}

/** The run continued by whole periods of the mains, so that its phase does not jump where the recording begins and ends. */
function continued(run: Float32Array, hz: number, rateHz: number): { wide: Float64Array; pad: number } {
  const n = run.length
  const block = periods(hz, rateHz, n)
  const cycle = Math.min(n - block, Math.max(1, Math.round(rateHz / hz)))
  if (block === 0 || cycle <= 0) return { wide: turned(run, Math.min(n - 1, 8)), pad: Math.min(n - 1, 8) }
  const pad = block * Math.ceil((NOTCH_LEAD_S * rateHz) / block)
  const wide = new Float64Array(n + 2 * pad)
  wide.set(run, pad)
  const before = mean(run, 0, cycle) - mean(run, block, cycle)
  const after = mean(run, n - cycle, cycle) - mean(run, n - block - cycle, cycle)
  for (let i = 1; i <= pad; i++) {
    wide[pad - i] = wide[pad - i + block]! + before
    wide[pad + n - 1 + i] = wide[pad + n - 1 + i - block]! + after
  }
  return { wide, pad }
}

function twice(wide: Float64Array, pad: number, run: Float32Array, f: Section): void {
  pass(wide, f, false)
  pass(wide, f, true)
  for (let i = 0; i < run.length; i++) run[i] = wide[pad + i]!
}

function filterRun(run: Float32Array, filters: ViewFilters, rateHz: number): void {
  const pad = (seconds: number) => Math.min(run.length - 1, Math.ceil(seconds * rateHz))
  if (applies(filters.notchHz, rateHz)) {
    const { wide, pad: by } = continued(run, filters.notchHz, rateHz)
    twice(wide, by, run, notch(filters.notchHz, rateHz))
  }
  if (applies(filters.baselineHz, rateHz)) {
    const by = pad(3 / filters.baselineHz)
    twice(turned(run, by), by, run, butterworth(filters.baselineHz, rateHz, true))
  }
  if (applies(filters.lowPassHz, rateHz)) {
    const by = pad(10 / filters.lowPassHz)
    twice(turned(run, by), by, run, butterworth(filters.lowPassHz, rateHz, false))
  }
}

export function filtered(samples: Float32Array, filters: ViewFilters, rateHz: number): Float32Array {
  if (![filters.notchHz, filters.baselineHz, filters.lowPassHz].some((hz) => applies(hz, rateHz))) return samples
  const view = samples.slice()
  for (let from = 0; from < view.length; ) {
    if (Number.isNaN(view[from])) {
      from += 1
      continue
    }
    let to = from
    while (to < view.length && !Number.isNaN(view[to])) to += 1
    filterRun(view.subarray(from, to), filters, rateHz)
    from = to
  }
  return view
}
