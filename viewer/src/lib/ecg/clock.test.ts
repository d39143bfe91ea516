import { describe, expect, it } from 'vitest'
import { elapsed, parseMoment, wallClock } from './clock'

const start = new Date(2026, 10, 21, 20, 15, 0).toISOString()

describe('times of a long recording', () => {
  it('are said from the start and by the clock', () => {
    expect(elapsed(3.44, true)).toBe('0:03.4')
    expect(elapsed(3723)).toBe('1:02:03')
    expect(elapsed(59.7)).toBe('1:00')
    expect(wallClock(start, 4 * 3600)).toBe('00:15:00')
    expect(wallClock(null, 61)).toBe('1:01')
  })

  it('are found by the clock, over midnight', () => {
    expect(parseMoment('20:16', start, 86400)).toBe(60)
    expect(parseMoment('8:15:30', start, 86400)).toBe(12 * 3600 + 30)
    expect(parseMoment('20：16', start, 86400)).toBe(60)
  })

  it('are found from the start', () => {
    expect(parseMoment('+1:02:03', start, 86400)).toBe(3723)
    expect(parseMoment('+90', start, 86400)).toBe(90)
    expect(parseMoment('2:30', null, 86400)).toBe(150)
  })

  it('are refused when they are none, or outside', () => {
    for (const text of ['', 'noon', '25:00', '12:77', '+30:00:00', '14', '::']) expect(parseMoment(text, start, 86400)).toBeNull()
  })
})
