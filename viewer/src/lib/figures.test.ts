import { describe, expect, it } from 'vitest'
import { DRAWN, figureChart, figureText, isMinutes, isShare, lineName, spansOf } from './figures'
import type { FiguresAnswer } from '@/api/figures'

describe('figures', () => {
  it('have units', () => {
    expect(figureText('p50', 42)).toBe('42 分钟')
    expect(figureText('received_p90', 135)).toBe('2 小时 15 分')
    expect(figureText('in_time_share', 0.9375)).toBe('93.8%')
    expect(figureText('signed', 12345)).toBe('12,345')
    expect(figureText('positive_share', null)).toBe('—')
  })

  it('are drawn only beside their like', () => {
    for (const { columns } of Object.values(DRAWN)) {
      expect(new Set(columns.map((one) => (isShare(one) ? 'share' : isMinutes(one) ? 'minutes' : 'count'))).size).toBe(1)
    }
  })

  it('draw a bar for each line and column', () => {
    const shown: FiguresAnswer = { measure: 'quality', by: 'hour', columns: ['graded', 'A', 'B', 'C'], listed: [], items: [{ key: '08', name: '08', values: { A: 3, B: 1, C: 0 } }], total: {} }
    const option = figureChart(shown, { text: '', soft: '', line: '' }) as { series: { data: unknown[]; stack?: string }[]; xAxis: { data: string[] } }
    expect(option.series.map((one) => one.data)).toEqual([[3], [1], [0]])
    expect(option.series[0]!.stack).toBe('all')
    expect(option.xAxis.data).toEqual(['08 时'])
  })

  it('name nobody as such', () => {
    expect(lineName('reader', { key: '', name: '' })).toBe('不明')
    expect(lineName('priority', { key: '3', name: 'routine' })).not.toContain('routine')
  })

  it('ask for whole months', () => {
    const spans = spansOf(new Date(2026, 0, 15))
    expect(spans.month).toEqual({ from: '2026-01-01', to: '2026-01-15' })
    expect(spans.last).toEqual({ from: '2025-12-01', to: '2025-12-31' })
    expect(spans.quarter.from).toBe('2025-11-01')
  })
})
