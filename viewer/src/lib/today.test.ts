import { describe, expect, it } from 'vitest'
import type { ReturnItem } from '@/api/types'
import { printsInFrame } from './pdf'
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

describe('printing', () => {
  const agent = (userAgent: string, pdfViewerEnabled = true) => ({ userAgent, pdfViewerEnabled })

  it('uses a frame only where a desktop Chromium shows PDF itself', () => {
    expect(printsInFrame(agent('Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36'))).toBe(true)
    expect(printsInFrame(agent('Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36', false))).toBe(false)
    expect(printsInFrame(agent('Mozilla/5.0 (Linux; Android 14) Chrome/150.0 Mobile Safari/537.36'))).toBe(false)
    expect(printsInFrame(agent('Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0'))).toBe(false)
  })
})
