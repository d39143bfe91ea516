/** Calipers, march-out and fiducials over the tracing; also which of them lies under the pointer. */
import { marched, millivolts, readingOf, type Caliper, type End } from './calipers'
import { INK, type Scale } from './draw'
import { xOf, type Panel, type Sheet, type View } from './layout'

const COLOUR = '#1558b8'
const QUIET = '#5b7fae'
const GRASP_PX = 6

export function panelOf(sheet: Sheet, caliper: Caliper): Panel | undefined {
  const middle = (caliper.t0 + caliper.t1) / 2
  const holds = (panel: Panel) => panel.lead === caliper.lead && middle >= panel.from && middle <= panel.to
  return sheet.panels.find((panel) => holds(panel) && panel.rhythm === caliper.rhythm) ?? sheet.panels.find(holds)
}

export interface Grasp {
  id: number
  end: End | 'both'
}

export function graspAt(sheet: Sheet, view: View, { k }: Scale, calipers: readonly Caliper[], x: number, y: number): Grasp | null {
  for (const caliper of [...calipers].reverse()) {
    const panel = panelOf(sheet, caliper)
    if (!panel || y < panel.top * k || y > panel.bottom * k) continue
    const [x0, x1] = [xOf(panel, caliper.t0, view) * k, xOf(panel, caliper.t1, view) * k]
    if (Math.abs(x - x1) <= GRASP_PX) return { id: caliper.id, end: 1 }
    if (Math.abs(x - x0) <= GRASP_PX) return { id: caliper.id, end: 0 }
    const bar = barY(panel, k)
    if (Math.abs(y - bar) <= GRASP_PX && x > Math.min(x0, x1) && x < Math.max(x0, x1)) return { id: caliper.id, end: 'both' }
  }
  return null
}

function barY(panel: Panel, k: number): number {
  return (panel.bottom - 2) * k
}

export function readingText(caliper: Caliper, volts: boolean): string {
  const { ms, bpm, mv } = readingOf(caliper)
  const parts = [`${Math.round(ms)} ms`]
  if (bpm !== null && ms >= 150 && ms <= 6000) parts.push(`${Math.round(bpm)} /min`)
  if (mv !== null && volts) parts.push(millivolts(mv))
  return parts.join('  ')
}

function tag(context: CanvasRenderingContext2D, text: string, x: number, y: number, colour: string, right: number): void {
  context.font = '600 12.5px system-ui, "Noto Sans SC", sans-serif'
  const width = context.measureText(text).width + 10
  const left = Math.max(0, Math.min(x, right - width))
  context.fillStyle = colour
  context.beginPath()
  context.roundRect(left, y - 18, width, 18, 4)
  context.fill()
  context.fillStyle = '#fff'
  context.textBaseline = 'alphabetic'
  context.fillText(text, left + 5, y - 5)
}

function drawMarch(context: CanvasRenderingContext2D, sheet: Sheet, view: View, { k }: Scale, caliper: Caliper, home: Panel): void {
  context.setLineDash([3, 3])
  context.beginPath()
  for (const panel of sheet.panels) {
    if (panel.row !== home.row) continue
    for (const time of marched(caliper, panel.from, panel.to)) {
      const x = xOf(panel, time, view) * k
      context.moveTo(x, (panel.top + 1) * k)
      context.lineTo(x, (panel.bottom - 1) * k)
    }
  }
  context.stroke()
  context.setLineDash([])
}

export function drawCaliper(context: CanvasRenderingContext2D, sheet: Sheet, view: View, scale: Scale, caliper: Caliper, selected: boolean, end: End): void {
  const panel = panelOf(sheet, caliper)
  if (!panel) return
  const { k, gain } = scale
  const colour = selected ? COLOUR : QUIET
  const xs = [xOf(panel, caliper.t0, view) * k, xOf(panel, caliper.t1, view) * k] as const
  const level = (uv: number) => (panel.baseline + ((panel.inverted ? 1 : -1) * uv * gain) / 1000) * k
  const [top, bottom, bar] = [(panel.top + 1) * k, (panel.bottom - 1) * k, barY(panel, k)]
  context.strokeStyle = context.fillStyle = colour
  context.lineWidth = 1
  if (caliper.march) drawMarch(context, sheet, view, scale, caliper, panel)
  xs.forEach((x, i) => {
    context.lineWidth = selected && i === end ? 2 : 1
    context.beginPath()
    context.moveTo(x, top)
    context.lineTo(x, bottom)
    context.stroke()
  })
  context.lineWidth = 1
  context.beginPath()
  context.moveTo(xs[0], bar)
  context.lineTo(xs[1], bar)
  for (const [i, uv] of [caliper.v0, caliper.v1].entries()) {
    if (Number.isNaN(uv) || !scale.volts) continue
    context.moveTo(Math.min(...xs) - 5, level(uv))
    context.lineTo(Math.max(...xs) + 5, level(uv))
    context.fillRect(xs[i]! - 2, level(uv) - 2, 4, 4)
  }
  context.stroke()
  tag(context, readingText(caliper, scale.volts), Math.max(...xs) + 4, Math.max(18, top + 17), colour, sheet.width * k)
}

export interface Fiducial {
  name: string
  time: number
}

/** Faint, and named: somebody else's opinion of where the waves are. */
export function drawFiducials(context: CanvasRenderingContext2D, sheet: Sheet, view: View, { k }: Scale, fiducials: readonly Fiducial[]): void {
  context.strokeStyle = '#8a3ffc'
  context.fillStyle = '#8a3ffc'
  context.globalAlpha = 0.45
  context.lineWidth = 1
  context.setLineDash([2, 3])
  context.font = '10.5px system-ui, sans-serif'
  context.beginPath()
  for (const panel of sheet.panels) {
    if (panel.lead < 0) continue
    for (const { time } of fiducials) {
      if (time < panel.from || time > panel.to) continue
      const x = xOf(panel, time, view) * k
      context.moveTo(x, (panel.top + 2) * k)
      context.lineTo(x, (panel.bottom - 2) * k)
    }
  }
  context.stroke()
  context.setLineDash([])
  context.globalAlpha = 0.9
  const strip = sheet.panels.at(-1)
  for (const { name, time } of strip ? fiducials : []) {
    if (strip && time >= strip.from && time <= strip.to) context.fillText(name, xOf(strip, time, view) * k + 2, (strip.bottom - 1) * k)
  }
  context.globalAlpha = 1
}

/** The lead that the keyboard works on. */
export function drawChosen(context: CanvasRenderingContext2D, panel: Panel, { k }: Scale): void {
  context.strokeStyle = COLOUR
  context.lineWidth = 2
  context.beginPath()
  context.moveTo((panel.x + 0.8) * k, panel.bottom * k - 1)
  context.lineTo((panel.x + 9) * k, panel.bottom * k - 1)
  context.stroke()
}

export function drawCross(context: CanvasRenderingContext2D, panel: Panel, { k }: Scale, x: number): void {
  context.strokeStyle = INK.divider
  context.lineWidth = 1
  context.beginPath()
  context.moveTo(x, (panel.top + 1) * k)
  context.lineTo(x, (panel.bottom - 1) * k)
  context.stroke()
}
