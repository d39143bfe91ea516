import { describe, expect, it } from 'vitest'
import { ABOUT_R, alignedBeats, alignment, axis, netArea } from './beats'

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

describe('beat upon beat', () => {
  const here = [0.5, 1.3, 2.1, 2.9]
  const there = [0.6, 1.6, 2.6, 3.6]

  it('lays every beat on the one of the same place in its row, whatever the rates are', () => {
    const laid = alignedBeats(here, there, 0, 3.2)
    expect(laid.map((one) => Number(one.shift.toFixed(2)))).toEqual([0.1, 0.3, 0.5, 0.7])
    for (const beat of here) expect(laid.filter((one) => beat >= one.from && beat < one.to)).toHaveLength(1)
    for (const [i, one] of laid.slice(1).entries()) expect(one.from).toBeCloseTo(laid[i]!.to)
  })

  it('stays within its stretch', () => {
    const laid = alignedBeats(here, there, 1, 2.5)
    expect([laid[0]!.from, laid.at(-1)!.to].map((time) => time >= 1 && time <= 2.5)).toEqual([true, true])
  })

  it('is one stretch as it was where beats are not known', () => {
    expect(alignedBeats([], there, 1, 2, 0.2)).toEqual([{ from: 1, to: 2, shift: 0.2 }])
    expect(alignedBeats(here, [], 1, 2)).toEqual([{ from: 1, to: 2, shift: 0 }])
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
