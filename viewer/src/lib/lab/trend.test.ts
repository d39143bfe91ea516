import { describe, expect, it } from 'vitest'
import { item } from './made'
import { draw, pointsOf } from './trend'

const FRAME = { width: 100, height: 50, edge: 5 }
const before = (number: number | null, day: number) => ({ value: String(number), number, observed_at: `2026-11-0${day}T00:00:00Z`, abnormal: '' as const })

describe('a trend', () => {
  it('runs from the oldest to the present value, and leaves out what is no number', () => {
    const points = pointsOf(item('HGB', { value: '109', number: 109 }, { history: [before(137, 3), before(null, 2), before(140, 1)] }))
    expect(points.map((one) => [one.number, one.now])).toEqual([[140, false], [137, false], [109, true]])
    expect(pointsOf(item('HBSAG', { value: '阴性', number: null }))).toEqual([])
  })

  it('lies inside its frame, higher values above lower ones, the band between the limits', () => {
    const points = pointsOf(item('HGB', { value: '109', number: 109 }, { history: [before(140, 1)] }))
    const drawn = draw(points, { low: 130, high: 175, text: '' }, FRAME)
    const [first, last] = drawn.points
    expect([first!.x, last!.x]).toEqual([5, 95])
    expect(first!.y).toBeLessThan(last!.y)
    for (const { y } of drawn.points) expect(y >= 0 && y <= FRAME.height).toBe(true)
    const [high, low] = drawn.ticks
    expect(drawn.band).toEqual({ y: high!.y, height: Math.round((low!.y - high!.y) * 10) / 10 })
    expect(last!.y).toBeGreaterThan(low!.y)
  })

  it('has a band to the edge where the range is open, and none without a range', () => {
    const points = pointsOf(item('CRP', { value: '3', number: 3 }))
    expect(draw(points, { low: null, high: 5, text: '' }, FRAME).band!.y + draw(points, { low: null, high: 5, text: '' }, FRAME).band!.height).toBe(FRAME.height)
    expect(draw(points, { low: null, high: null, text: '阴性' }, FRAME).band).toBeNull()
    expect(draw(points, null, FRAME).points[0]!.x).toBe(50)
  })
})
