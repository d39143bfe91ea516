/** How figures are said and drawn: units, shares, minutes; bars in colours that anybody tells apart. */
import type { EChartsCoreOption } from 'echarts/core'
import { t } from '@/i18n'
import type { By, FiguresAnswer, Line, Measure } from '@/api/figures'

/** What of a measure is drawn; the rest stands in the table. Minutes, shares and counts are never in one chart. */
export const DRAWN: Record<Measure, { columns: readonly string[]; stacked: boolean }> = {
  workload: { columns: ['signed', 'reviewed'], stacked: false },
  turnaround: { columns: ['p50', 'p90', 'p95'], stacked: false },
  positive: { columns: ['positive_share'], stacked: false },
  returns: { columns: ['sent_back', 'remade'], stacked: false },
  critical: { columns: ['open', 'closed', 'withdrawn'], stacked: true },
  quality: { columns: ['A', 'B', 'C'], stacked: true },
  discrepancy: { columns: ['none', 'minor', 'major'], stacked: true },
}

/** Okabe and Ito: told apart by everybody, and different in lightness, too. */
export const PALETTE = ['#0072b2', '#e69f00', '#d55e00', '#009e73']

const MINUTES = /^(p\d+|.+_p\d+)$/
export const isShare = (column: string) => column.endsWith('_share')
export const isMinutes = (column: string) => MINUTES.test(column)

export function minutesText(minutes: number): string {
  return minutes < 120 ? t('figures.minutes', { n: minutes }) : t('figures.hours', { h: Math.floor(minutes / 60), m: minutes % 60 })
}

export function figureText(column: string, value: number | null | undefined): string {
  if (value === null || value === undefined) return '—'
  if (isShare(column)) return `${(value * 100).toFixed(1)}%`
  if (isMinutes(column)) return minutesText(value)
  return value.toLocaleString()
}

/** A line's name as it is read. */
export function lineName(by: By, line: Pick<Line, 'key' | 'name'>): string {
  if (by === 'hour') return t('figures.hour', { n: line.key })
  if (by === 'priority' && line.name) return t(`priority.${line.name}`)
  if (by === 'kind' && /^(imaging|ecg|laboratory|pathology)$/.test(line.name)) return t(`kind.${line.name}`)
  return line.name || t('figures.unknown')
}

export interface ChartColours {
  text: string
  soft: string
  line: string
}

export function figureChart(shown: FiguresAnswer, colours: ChartColours): EChartsCoreOption {
  const { columns, stacked } = DRAWN[shown.measure]
  const axis = { axisLabel: { color: colours.soft }, axisLine: { lineStyle: { color: colours.line } }, splitLine: { lineStyle: { color: colours.line, opacity: 0.6 } } }
  const percent = columns.every(isShare)
  return {
    color: PALETTE,
    animation: false,
    grid: { left: 8, right: 16, top: 34, bottom: 8, containLabel: true },
    legend: { top: 0, textStyle: { color: colours.text }, data: columns.map((one) => t(`figures.column.${one}`)) },
    tooltip: { trigger: 'axis', axisPointer: { type: 'shadow' } },
    xAxis: { type: 'category', data: shown.items.map((line) => lineName(shown.by, line)), ...axis, axisLabel: { color: colours.soft, rotate: shown.items.length > 10 ? 40 : 0, hideOverlap: true } },
    yAxis: { type: 'value', minInterval: percent ? undefined : 1, ...axis, axisLabel: { color: colours.soft, formatter: percent ? (value: number) => `${Math.round(value * 100)}%` : undefined } },
    series: columns.map((one) => ({
      name: t(`figures.column.${one}`),
      type: 'bar',
      stack: stacked ? 'all' : undefined,
      barMaxWidth: 34,
      data: shown.items.map((line) => line.values[one]),
      tooltip: { valueFormatter: (value: unknown) => figureText(one, value as number | null) },
    })),
  }
}

export interface Span {
  from: string
  to: string
}

const iso = (day: Date) => day.toLocaleDateString('sv')

/** Spans that are asked for again and again, as of a day. */
export function spansOf(today: Date): Record<'month' | 'last' | 'quarter' | 'year', Span> {
  const [year, month] = [today.getFullYear(), today.getMonth()]
  const to = iso(today)
  return {
    month: { from: iso(new Date(year, month, 1)), to },
    last: { from: iso(new Date(year, month - 1, 1)), to: iso(new Date(year, month, 0)) },
    quarter: { from: iso(new Date(year, month - 2, 1)), to },
    year: { from: iso(new Date(year, 0, 1)), to },
  }
}
