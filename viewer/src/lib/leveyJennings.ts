/** A Levey–Jennings chart as an ECharts option: standard deviations upwards, runs to the right, one level. */
import type { ControlResult, Material, Verdict } from '@/api/control'

export interface Colours {
  text: string
  soft: string
  line: string
  card: string
  done: string
  care: string
  now: string
  mine: string
  doneFill: string
  careFill: string
  nowFill: string
}

export interface Words {
  lot: (lot: string) => string
  time: (result: ControlResult) => string
  tip: (result: ControlResult) => string
}

/** Shape and colour say the same, so that neither is needed alone. */
export const SYMBOLS: Record<Verdict, { symbol: string; size: number }> = {
  in_control: { symbol: 'circle', size: 8 },
  warning: { symbol: 'triangle', size: 12 },
  out_of_control: { symbol: 'diamond', size: 15 },
  unknown: { symbol: 'rect', size: 7 },
}
const FURTHEST = 6

/** A mean or standard deviation as people write it: no binary tail. */
export const plain = (number: number): string => String(Number(number.toPrecision(5)))

/** What lies further out is drawn at the edge; its tip says the value. */
export function shownZ(z: number): number {
  return Math.max(-FURTHEST, Math.min(FURTHEST, z))
}

/** The axis ends at ±4, further out only where a point is. */
export function reach(results: ControlResult[]): number {
  return Math.max(4, ...results.map((one) => Math.ceil(Math.abs(shownZ(one.z ?? 0)) + 0.2)))
}

/** Where lots begin: the place of the first run of each, but for the first. */
export function lotChanges(results: ControlResult[]): { at: number; lot: string }[] {
  return results.flatMap((one, i) => (i > 0 && one.lot !== results[i - 1]!.lot ? [{ at: i, lot: one.lot }] : []))
}

export function chartOption(results: ControlResult[], material: Material | undefined, colours: Colours, words: Words) {
  const end = reach(results)
  const ink: Record<Verdict, string> = { in_control: colours.done, warning: colours.care, out_of_control: colours.now, unknown: colours.soft }
  const at = (z: number) => (material ? plain(material.mean + z * material.sd) : '')
  const band = (low: number, high: number, color: string) => [{ yAxis: low, itemStyle: { color, opacity: 0.45 } }, { yAxis: high }]
  return {
    animation: false,
    grid: { left: 52, right: 64, top: 26, bottom: 24 },
    tooltip: {
      trigger: 'item',
      confine: true,
      backgroundColor: colours.card,
      borderColor: colours.line,
      textStyle: { color: colours.text, fontSize: 12.5 },
      formatter: (point: { dataIndex: number }) => words.tip(results[point.dataIndex]!),
    },
    xAxis: {
      type: 'category',
      data: results.map((one) => words.time(one)),
      axisLabel: { color: colours.soft, fontSize: 11, hideOverlap: true },
      axisLine: { lineStyle: { color: colours.line }, onZero: false },
      axisTick: { show: false },
    },
    yAxis: {
      type: 'value',
      min: -end,
      max: end,
      interval: 1,
      axisLabel: { color: colours.soft, fontSize: 11, formatter: (z: number) => (z === 0 ? 'x̄' : Math.abs(z) <= 3 ? `${z > 0 ? '+' : '−'}${Math.abs(z)}s` : '') },
      splitLine: { show: false },
    },
    dataZoom: results.length > 60 ? [{ type: 'inside', startValue: results.length - 60, endValue: results.length - 1 }] : [],
    series: [
      {
        type: 'line',
        connectNulls: true,
        lineStyle: { color: colours.soft, width: 1 },
        data: results.map((one) => (one.z === null || one.excluded ? null : shownZ(one.z))),
        showSymbol: false,
        silent: true,
        tooltip: { show: false },
        markArea: {
          silent: true,
          data: [
            band(-1, 1, colours.doneFill),
            band(1, 2, colours.doneFill),
            band(-2, -1, colours.doneFill),
            band(2, 3, colours.careFill),
            band(-3, -2, colours.careFill),
            band(3, end, colours.nowFill),
            band(-end, -3, colours.nowFill),
          ],
        },
        markLine: {
          silent: true,
          symbol: 'none',
          label: { color: colours.soft, fontSize: 11, position: 'end' },
          data: [
            ...[-3, -2, -1, 0, 1, 2, 3].map((z) => ({
              yAxis: z,
              lineStyle: { color: z === 0 ? colours.text : Math.abs(z) === 3 ? colours.now : Math.abs(z) === 2 ? colours.care : colours.line, type: z === 0 ? 'solid' : 'dashed', width: 1 },
              label: { formatter: at(z) },
            })),
            ...lotChanges(results).map((one) => ({
              xAxis: one.at,
              lineStyle: { color: colours.mine, type: 'solid', width: 1 },
              label: { formatter: words.lot(one.lot), color: colours.mine, position: 'end' },
            })),
          ],
        },
      },
      {
        type: 'scatter',
        data: results.map((one) => ({
          value: one.z === null ? null : shownZ(one.z),
          symbol: SYMBOLS[one.verdict].symbol,
          symbolSize: SYMBOLS[one.verdict].size,
          itemStyle: one.excluded
            ? { color: 'transparent', borderColor: colours.soft, borderWidth: 1.5, borderType: 'dashed' }
            : { color: ink[one.verdict], borderColor: one.released_at ? colours.mine : ink[one.verdict], borderWidth: one.released_at ? 2.5 : 0 },
          label: {
            show: one.rules.length > 0 || one.comment !== '',
            formatter: [one.excluded ? '' : one.rules.filter((rule) => rule !== '1_2s' || one.rules.length === 1).join(' '), one.comment ? '✎' : ''].join(' ').trim(),
            position: (one.z ?? 0) < 0 ? 'bottom' : 'top',
            fontSize: 11,
            color: ink[one.verdict],
          },
        })),
        z: 5,
      },
    ],
  }
}
