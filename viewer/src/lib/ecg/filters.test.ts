import { describe, expect, it } from 'vitest'
import { filtered, NO_FILTERS, type ViewFilters } from './filters'

const RATE = 500
const sine = (hz: number, uv = 1000, seconds = 10, rate = RATE, phase = 0.7) => Float32Array.from({ length: seconds * rate }, (_, i) => uv * Math.sin((2 * Math.PI * hz * i) / rate + phase))
const only = (part: Partial<ViewFilters>): ViewFilters => ({ ...NO_FILTERS, ...part })
const peak = (values: Float32Array, from = 0, to = values.length) => values.subarray(from, to).reduce((most, one) => Math.max(most, Math.abs(one)), 0)
const amplitude = (values: Float32Array) => peak(values, 2 * RATE, 8 * RATE)

describe('the filters of the view', () => {
  it('give the very samples back when none is chosen, or when the recording has no such frequencies', () => {
    const samples = sine(5)
    expect(filtered(samples, NO_FILTERS, RATE)).toBe(samples)
    expect(filtered(samples, only({ lowPassHz: 150 }), 250)).toBe(samples)
  })

  it('leave the samples themselves alone', () => {
    const samples = sine(5)
    const before = samples.slice()
    filtered(samples, { notchHz: 50, baselineHz: 0.67, lowPassHz: 25 }, RATE)
    expect(samples).toEqual(before)
  })

  it.each([25, 40, 100, 150] as const)('lose 3 dB at a low-pass of %i Hz and little below', (hz) => {
    const gain = (f: number) => amplitude(filtered(sine(f), only({ lowPassHz: hz }), RATE)) / 1000
    expect(gain(hz)).toBeCloseTo(Math.SQRT1_2, 1)
    expect(gain(hz / 4)).toBeGreaterThan(0.97)
    if (hz < 100) expect(gain(hz * 3)).toBeLessThan(0.06)
  })

  it('take a slow baseline away and leave a beat as it was', () => {
    const drift = sine(0.1, 2000)
    const f = only({ baselineHz: 0.67 })
    expect(amplitude(filtered(drift, f, RATE))).toBeLessThan(30)
    expect(amplitude(filtered(sine(8), f, RATE))).toBeCloseTo(1000, -1)
  })

  it.each([50, 60] as const)('take mains of %i Hz away from the first sample to the last', (hz) => {
    for (const rate of [250, 500, 1000]) {
      const left = filtered(sine(hz, 200, 10, rate), only({ notchHz: hz }), rate)
      expect(peak(left)).toBeLessThan(12)
    }
    expect(amplitude(filtered(sine(hz - 8), only({ notchHz: hz }), RATE))).toBeGreaterThan(970)
  })

  it('move nothing in time', () => {
    const pulse = Float32Array.from({ length: 5000 }, (_, i) => 1000 * Math.exp(-(((i - 2500) / 10) ** 2)))
    const seen = filtered(pulse, { notchHz: 50, baselineHz: 0.5, lowPassHz: 40 }, RATE)
    expect(seen.indexOf(Math.max(...seen))).toBe(2500)
    for (const by of [5, 20, 60]) expect(seen[2500 - by]).toBeCloseTo(seen[2500 + by]!, -0.5)
  })

  it('do not swing at the ends', () => {
    const offset = Float32Array.from({ length: 5000 }, () => 3000)
    expect(peak(filtered(offset, only({ baselineHz: 0.05 }), RATE))).toBeLessThan(1)
    const flat = filtered(offset, only({ lowPassHz: 40 }), RATE)
    expect([flat[0], flat[4999]].map((v) => Math.round(v!))).toEqual([3000, 3000])
  })

  it('respect gaps: what is missing stays missing, and each side is filtered for itself', () => {
    const samples = sine(5)
    samples.fill(Number.NaN, 1000, 1500)
    samples[4000] = Number.NaN
    const seen = filtered(samples, { notchHz: 50, baselineHz: 0.67, lowPassHz: 40 }, RATE)
    expect([...seen.keys()].filter((i) => Number.isNaN(seen[i]!) !== Number.isNaN(samples[i]!))).toEqual([])
    const alone = filtered(samples.slice(0, 1000), { notchHz: 50, baselineHz: 0.67, lowPassHz: 40 }, RATE)
    expect(seen.slice(0, 1000)).toEqual(alone)
  })

  it('bear the shortest of runs', () => {
    for (const length of [1, 2, 3, 9]) {
      const seen = filtered(new Float32Array(length).fill(100), { notchHz: 50, baselineHz: 0.67, lowPassHz: 40 }, RATE)
      expect([...seen].every(Number.isFinite)).toBe(true)
    }
  })
})
