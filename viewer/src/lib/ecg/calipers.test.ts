import { describe, expect, it } from 'vitest'
import { marched, moved, readingOf, snap, taken, type Caliper } from './calipers'

const caliper = (part: Partial<Caliper> = {}): Caliper => ({ id: 1, lead: 0, rhythm: false, t0: 1, t1: 1.8, v0: -100, v1: 900, march: false, ...part })

describe('a caliper', () => {
  it('reads milliseconds, the rate and millivolts', () => {
    expect(readingOf(caliper())).toEqual({ ms: 800, bpm: 75, mv: 1 })
    expect(readingOf(caliper({ t0: 1.8, t1: 1 })).ms).toBe(800)
    expect(readingOf(caliper({ v1: Number.NaN })).mv).toBeNull()
    expect(readingOf(caliper({ t1: 1 })).bpm).toBeNull()
  })

  it('stands on samples of the recording', () => {
    expect(snap(1.2345, 500, 10)).toBe(1.234)
    expect(snap(-3, 500, 10)).toBe(0)
    expect(snap(99, 500, 10)).toBe(9.998)
  })

  it('marches out both ways', () => {
    expect(marched(caliper({ t0: 2, t1: 3 }), 0.5, 5.2)).toEqual([1, 2, 3, 4, 5])
    expect(marched(caliper({ t0: 2, t1: 2 }), 0, 5)).toEqual([])
  })

  it('moves one end at a time', () => {
    expect(moved(caliper(), 0, 0.5, 7)).toMatchObject({ t0: 0.5, v0: 7, t1: 1.8 })
    expect(moved(caliper(), 1, 2.5, 7)).toMatchObject({ t0: 1, t1: 2.5, v1: 7 })
  })

  it('gives the report an interval, and with RR the rate', () => {
    expect(taken(caliper({ t1: 1.162 }), 'pr_ms')).toEqual([{ name: 'pr_ms', value: 162, source: 'caliper' }])
    expect(taken(caliper(), 'rr_ms').map((one) => [one.name, one.value])).toEqual([['rr_ms', 800], ['heart_rate_bpm', 75]])
    expect(taken(caliper({ t1: 1 }), 'qt_ms')).toEqual([])
  })
})
