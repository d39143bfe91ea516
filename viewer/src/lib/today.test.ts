import { describe, expect, it } from 'vitest'
import type { ReturnItem } from '@/api/types'
import { unreadFirst } from './today'

const item = (id: string, state: ReturnItem['state'], signed_at: string, critical = false) => ({ id, state, signed_at, critical }) as ReturnItem

describe('the returned reports of the day', () => {
  it('begin with an unread critical value, then unread ones, then the newest', () => {
    const items = [
      item('old', 'acknowledged', '2026-11-21T01:00:00Z'),
      item('read critical', 'opened', '2026-11-21T02:00:00Z', true),
      item('unread', 'delivered', '2026-11-21T00:30:00Z'),
      item('critical', 'delivered', '2026-11-21T00:10:00Z', true),
      item('new', 'acknowledged', '2026-11-21T03:00:00Z'),
    ]
    expect(items.sort(unreadFirst).map((one) => one.id)).toEqual(['critical', 'unread', 'new', 'read critical', 'old'])
  })
})
