import { describe, expect, it } from 'vitest'
import { ABOUT_R, alignment, axis, netArea } from './beats'

describe('the alignment of two tracings', () => {
  it('lays the first whole beat of a stretch on the nearest beat of the other', () => {
    const here = [0.4, 1.2, 2.0, 2.8, 3.6]
    const there = [0.7, 1.5, 2.3, 3.1]
    expect(alignment(here, there, 0, 2.5)).toBeCloseTo(0.3)
    expect(alignment(here, there, 2.5, 5)).toBeCloseTo(0.3)
  })

  it('takes a beat at the edge when there is no other, and none without beats', () => {
    expect(alignment([2.55], [2.5], 2.5, 5)).toBeCloseTo(-0.05)
    expect(alignment([], [1], 0, 2.5)).toBeNull()
    expect(alignment([1], [], 0, 2.5)).toBeNull()
  })
})

describe('the axis of QRS', () => {
  const beat = (height: number) => (time: number) => 150 + height * Math.exp(-((((time + 0.5) % 1) - 0.5) ** 2) / 0.0002)
  const area = (height: number) => netArea(beat(height), 500, [1, 2, 3], ABOUT_R)!

  it.each([[0, 1000, 0], [60, 500, 750], [90, 0, 866], [-30, 866, -433], [180, -1000, 0], [-90, 0, -866]])('is %i° from the areas of I and aVF', (degrees, one, avf) => {
    const found = axis(area(one), area(avf))!
    expect(Math.abs(found - degrees) % 360).toBeLessThan(1)
  })

  it('leaves out beats of which something is missing', () => {
    const gappy = (time: number) => (time > 1.5 && time < 2.5 ? Number.NaN : beat(700)(time))
    expect(netArea(gappy, 500, [1, 2, 3], ABOUT_R)).toBeCloseTo(area(700))
    expect(netArea(() => Number.NaN, 500, [1], ABOUT_R)).toBeNull()
    expect(axis(0, 0)).toBeNull()
  })
})
