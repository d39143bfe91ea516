import { describe, expect, it } from 'vitest'
import { marksOf } from './quality'

const RATE = 500
const beats = () => Float32Array.from({ length: 5000 }, (_, i) => 900 * Math.exp(-((((i % 400) - 200) / 8) ** 2)) + 20 * Math.sin(i / 9))

describe('what is marked on the tracing', () => {
  it('is nothing on a good lead', () => {
    expect(marksOf(beats(), RATE)).toEqual([])
  })

  it('is every stretch that was not recorded, however short', () => {
    const lead = beats()
    lead.fill(Number.NaN, 100, 900)
    lead[3000] = Number.NaN
    expect(marksOf(lead, RATE)).toEqual([
      { kind: 'gap', from: 100, to: 900 },
      { kind: 'gap', from: 3000, to: 3001 },
    ])
  })

  it('is a flat line of two seconds, and a lead of nothing but zero', () => {
    const lead = beats()
    lead.fill(37, 1000, 2200)
    expect(marksOf(lead, RATE)).toEqual([{ kind: 'flat', from: 1000, to: 2200 }])
    expect(marksOf(new Float32Array(600), RATE)).toEqual([{ kind: 'flat', from: 0, to: 600 }])
  })

  it('is what the amplifier cut off, as one stretch', () => {
    const lead = beats()
    lead.fill(5000, 1000, 1100)
    lead[1100] = 4990
    lead.fill(5000, 1101, 1200)
    expect(marksOf(lead, RATE)).toEqual([{ kind: 'saturated', from: 1000, to: 1200 }])
  })

  it('is not the plateau of a calibration pulse', () => {
    const lead = beats()
    lead.fill(1000, 500, 1000)
    expect(marksOf(lead, RATE)).toEqual([])
  })
})
