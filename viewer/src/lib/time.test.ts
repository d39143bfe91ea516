import { beforeEach, describe, expect, it } from 'vitest'
import { setLanguage } from '@/i18n'
import { clockTime, due, duration, minutesSeconds } from './time'

const at = (text: string) => new Date(text)
const iso = (text: string) => new Date(text).toISOString()

describe('times', () => {
  beforeEach(() => setLanguage('zh-CN'))

  it('show the hour today, a word for yesterday, and the date before that', () => {
    const now = at('2026-11-21T09:00:00')
    expect(clockTime(iso('2026-11-21T08:05:00'), now)).toBe('08:05')
    expect(clockTime(iso('2026-11-20T23:59:00'), now)).toBe('昨天 23:59')
    expect(clockTime(iso('2026-11-19T10:00:00'), now)).toBe('2026-11-19 10:00')
    expect(clockTime(iso('2026-11-22T00:10:00'), now)).toBe('明天 00:10')
  })

  it('yesterday is a calendar day, not 24 hours', () => {
    expect(clockTime(iso('2026-11-20T23:50:00'), at('2026-11-21T00:10:00'))).toBe('昨天 23:50')
  })

  it('are durations while waiting', () => {
    expect(duration(12 * 60_000)).toBe('12 分钟')
    expect(duration(125 * 60_000)).toBe('2 小时 5 分')
    expect(duration(26 * 3_600_000)).toBe('1 天 2 小时')
    expect(duration(-5)).toBe('0 分钟')
    setLanguage('en')
    expect(duration(125 * 60_000)).toBe('2 h 5 min')
  })

  it('say when a due time is near or over', () => {
    const now = Date.parse('2026-11-21T06:00:00Z')
    expect(due('2026-11-21T05:40:00Z', now)).toEqual({ urgency: 'over', text: '超时 20 分钟' })
    expect(due('2026-11-21T06:10:00Z', now)).toEqual({ urgency: 'soon', text: '剩 10 分钟' })
    expect(due('2026-11-21T08:10:00Z', now)?.urgency).toBe('fine')
    expect(due(null, now)).toBeNull()
  })

  it('counts seconds where they matter', () => {
    expect([0, 5_400, 65_000, 600_000, 4_025_000, -5].map(minutesSeconds)).toEqual(['0:00', '0:05', '1:05', '10:00', '1:07:05', '0:00'])
  })
})
