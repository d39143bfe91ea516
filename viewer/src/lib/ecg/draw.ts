/** Grid, pulses and tracings on a canvas. Everything comes in millimetres of paper; `k` is CSS pixels a millimetre. */
import { LEFT, PULSE_S, xOf, type Panel, type Sheet, type View } from './layout'
import type { EcgSource, Run, TimedMark } from './source'

export const INK = {
  paper: '#fffdf9',
  fine: '#f8dcd8',
  bold: '#eeb3ac',
  trace: '#15151a',
  earlier: '#3b7dd8',
  label: '#15151a',
  faint: '#7a6a68',
  divider: '#b8a5a2',
} as const

const TRACE_PX = 1.15
/** Millimetres closer than this are drawn as fives only. */
const FINE_PX = 2.2

export interface Scale {
  k: number
  dpr: number
  /** Millimetres of a millivolt. */
  gain: number
  /** False for samples that nobody has calibrated: then there is no pulse, and nothing is read in millivolts. */
  volts: boolean
}

export function prepare(canvas: HTMLCanvasElement, sheet: Sheet, { k, dpr }: Scale): CanvasRenderingContext2D {
  const [width, height] = [Math.ceil(sheet.width * k), Math.ceil(sheet.height * k)]
  const [wide, high] = [Math.round(width * dpr), Math.round(height * dpr)]
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide
    canvas.height = high
    canvas.style.width = `${width}px`
    canvas.style.height = `${height}px`
  }
  const context = canvas.getContext('2d')!
  context.setTransform(dpr, 0, 0, dpr, 0, 0)
  context.clearRect(0, 0, width, height)
  return context
}

/** A line of one device pixel: its middle is on the middle of a pixel. */
function crisp(at: number, dpr: number): number {
  return (Math.round(at * dpr - 0.5) + 0.5) / dpr
}

function lines(sheet: Sheet, { k, dpr }: Scale, every: number, skip: number, x0: number): Path2D {
  const path = new Path2D()
  const [width, height] = [sheet.width * k, sheet.height * k]
  for (let n = Math.ceil(-x0 / every); x0 + n * every <= sheet.width; n++) {
    if (skip && n % skip === 0) continue
    const x = crisp((x0 + n * every) * k, dpr)
    path.moveTo(x, 0)
    path.lineTo(x, height)
  }
  const y0 = sheet.baselines[0] ?? 0
  for (let n = Math.ceil(-y0 / every); y0 + n * every <= sheet.height; n++) {
    if (skip && n % skip === 0) continue
    const y = crisp((y0 + n * every) * k, dpr)
    path.moveTo(0, y)
    path.lineTo(width, y)
  }
  return path
}

export function drawGrid(context: CanvasRenderingContext2D, sheet: Sheet, scale: Scale, time: boolean): void {
  context.fillStyle = INK.paper
  context.fillRect(0, 0, sheet.width * scale.k, sheet.height * scale.k)
  if (!time) return
  context.lineWidth = 1 / scale.dpr
  if (scale.k >= FINE_PX) {
    context.strokeStyle = INK.fine
    context.stroke(lines(sheet, scale, 1, 5, LEFT))
  }
  context.strokeStyle = INK.bold
  context.stroke(lines(sheet, scale, 5, 0, LEFT))
}

/** 1 mV for 0.2 s before each row, at the speed and gain of the paper. */
export function drawPulses(context: CanvasRenderingContext2D, sheet: Sheet, view: View, scale: Scale): void {
  const { k, gain } = scale
  const width = Math.min(PULSE_S * view.speed, LEFT - 4)
  const path = new Path2D()
  for (const baseline of sheet.baselines) {
    const [x, y] = [(LEFT - 2 - width) * k, baseline * k]
    path.moveTo(x - 1.2 * k, y)
    path.lineTo(x, y)
    path.lineTo(x, y - gain * k)
    path.lineTo(x + width * k, y - gain * k)
    path.lineTo(x + width * k, y)
    path.lineTo(x + (width + 1.2) * k, y)
  }
  context.strokeStyle = INK.trace
  context.lineWidth = TRACE_PX
  context.lineJoin = 'miter'
  context.stroke(path)
}

interface Place {
  x: (time: number) => number
  y: (uv: number) => number
  from: number
  to: number
  /** Pixels of the device for each CSS pixel. */
  dpr: number
}

function placeOf(panel: Panel, view: View, { k, gain, dpr }: Scale, shift: number): Place {
  const perUv = ((panel.inverted ? 1 : -1) * gain * k) / 1000
  const perSecond = view.speed * k
  const origin = panel.x * k - (panel.from + shift) * perSecond
  const zero = panel.baseline * k
  return { x: (time) => origin + time * perSecond, y: (uv) => zero + uv * perUv, from: panel.from + shift, to: panel.to + shift, dpr }
}

/** Every value where there is room for it; else what is highest and lowest in each column of the screen. */
function trace(path: Path2D, { start, step, values }: Run, place: Place): void {
  const first = Math.max(0, Math.ceil((place.from - start) / step - 1e-6))
  const last = Math.min(values.length - 1, Math.floor((place.to - start) / step + 1e-6))
  const perValue = (place.x(step) - place.x(0)) * place.dpr
  if (perValue >= 0.5) eachValue(path, start, step, values, first, last, place)
  else eachColumn(path, start, step, values, first, last, place)
}

function eachValue(path: Path2D, start: number, step: number, values: Float32Array, first: number, last: number, place: Place): void {
  let pen = false
  for (let i = first; i <= last; i++) {
    const value = values[i]!
    if (value !== value) {
      pen = false
      continue
    }
    const x = place.x(start + i * step)
    const y = place.y(value)
    if (pen) path.lineTo(x, y)
    else path.moveTo(x, y)
    pen = true
  }
}

function eachColumn(path: Path2D, start: number, step: number, values: Float32Array, first: number, last: number, place: Place): void {
  let column = Number.NaN
  let low = 0
  let high = 0
  let pen = false
  const put = () => {
    if (Number.isNaN(column)) return
    const x = column / place.dpr
    if (pen) path.lineTo(x, place.y(low))
    else path.moveTo(x, place.y(low))
    if (high > low) path.lineTo(x, place.y(high))
    pen = true
  }
  for (let i = first; i <= last; i++) {
    const value = values[i]!
    if (value !== value) {
      put()
      column = Number.NaN
      pen = false
      continue
    }
    const here = Math.round(place.x(start + i * step) * place.dpr)
    if (here !== column) {
      put()
      column = here
      low = high = value
    } else if (value < low) low = value
    else if (value > high) high = value
  }
  put()
}

/** The line of one lead over a panel, from what is known now. `shift`: seconds added to the panel's own time. */
export function tracePath(source: EcgSource, panel: Panel, lead: number, view: View, scale: Scale, shift = 0): Path2D {
  const path = new Path2D()
  const place = placeOf(panel, view, scale, shift)
  for (const run of source.runs(lead, place.from, place.to, view.speed * scale.k * scale.dpr)) trace(path, run, place)
  return path
}

export function strokeTrace(context: CanvasRenderingContext2D, path: Path2D, earlier: boolean): void {
  context.strokeStyle = earlier ? INK.earlier : INK.trace
  context.globalAlpha = earlier ? 0.75 : 1
  context.lineWidth = TRACE_PX
  context.lineJoin = 'round'
  context.stroke(path)
  context.globalAlpha = 1
}

/** Where one lead ends and the next begins in a row: the short stroke of printed paper. */
export function drawDividers(context: CanvasRenderingContext2D, sheet: Sheet, { k }: Scale): void {
  context.strokeStyle = INK.divider
  context.lineWidth = 1
  const path = new Path2D()
  for (const panel of sheet.panels) {
    if (panel.part === 0) continue
    const x = crisp(panel.x * k, 1)
    path.moveTo(x, (panel.baseline - 5) * k)
    path.lineTo(x, (panel.baseline + 5) * k)
  }
  context.stroke(path)
}

export interface Label {
  text: string
  strong: boolean
}

/** Above its line, where the first beat seldom is. */
export function drawLabels(context: CanvasRenderingContext2D, sheet: Sheet, { k }: Scale, label: (panel: Panel) => Label[]): void {
  context.textBaseline = 'alphabetic'
  for (const panel of sheet.panels) {
    let x = (panel.x + 0.8) * k
    const y = Math.max(panel.top * k + 11, (panel.baseline - Math.min(sheet.pitch * 0.42, 13)) * k)
    for (const { text, strong } of label(panel)) {
      context.font = `${strong ? '600 13px' : '12px'} system-ui, "Noto Sans SC", sans-serif`
      context.lineWidth = 3
      context.strokeStyle = INK.paper
      context.strokeText(text, x, y)
      context.fillStyle = strong ? INK.label : INK.faint
      context.fillText(text, x, y)
      x += context.measureText(text).width + 5
    }
  }
}

const WORDY_S = 0.2
const HATCH = { gap: '#8a5300', flat: '#8a5300', saturated: '#b3261e' } as const
const hatches = new Map<string, CanvasPattern>()

function hatch(context: CanvasRenderingContext2D, colour: string, dpr: number): CanvasPattern {
  const key = `${colour}@${dpr}`
  const known = hatches.get(key)
  if (known) return known
  const size = Math.round(8 * dpr)
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = size
  const pen = canvas.getContext('2d')!
  pen.strokeStyle = colour
  pen.globalAlpha = 0.32
  pen.lineWidth = dpr
  for (const at of [-size, 0, size]) {
    pen.moveTo(at, size)
    pen.lineTo(at + size, 0)
  }
  pen.stroke()
  const made = context.createPattern(canvas, 'repeat')!
  made.setTransform(new DOMMatrix().scale(1 / dpr))
  hatches.set(key, made)
  return made
}

/** Hatched, with its word: what is no tracing of a heart must not look like one. */
export function drawMarks(context: CanvasRenderingContext2D, panel: Panel, marks: TimedMark[], view: View, { k, dpr }: Scale, word: (mark: TimedMark) => string): void {
  for (const mark of marks) {
    const left = xOf(panel, Math.max(mark.from, panel.from), view) * k
    const width = Math.max(2, xOf(panel, Math.min(mark.to, panel.to), view) * k - left)
    const [top, height] = [Math.max(panel.top + 1, panel.baseline - 10) * k, (Math.min(panel.bottom - 1, panel.baseline + 6) - Math.max(panel.top + 1, panel.baseline - 10)) * k]
    context.fillStyle = hatch(context, HATCH[mark.kind], dpr)
    context.fillRect(left, top, width, height)
    // A gap of a few samples is seen; a word for it would hide what is beside.
    if (mark.to - mark.from < WORDY_S) continue
    const text = word(mark)
    context.font = '12px system-ui, "Noto Sans SC", sans-serif'
    context.fillStyle = INK.paper
    context.fillRect(left + 2, top + height - 17, context.measureText(text).width + 6, 16)
    context.fillStyle = HATCH[mark.kind]
    context.fillText(text, left + 5, top + height - 5)
  }
}

/** Seconds between two labels of a time scale that leaves room for them. */
const STEPS = [0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600]

export function timeStep(pxPerSecond: number, room = 90): number {
  return STEPS.find((step) => step * pxPerSecond >= room) ?? STEPS.at(-1)!
}

/** A scale of time instead of squares, for a view in which a second is less than a square. */
export function drawTimes(context: CanvasRenderingContext2D, sheet: Sheet, view: View, { k, dpr }: Scale, clock: (time: number) => string, ruled: boolean): void {
  const step = timeStep(view.speed * k)
  context.font = '11px system-ui, "Noto Sans SC", sans-serif'
  context.lineWidth = 1 / dpr
  for (let n = Math.ceil(view.from / step); n * step <= view.from + view.span; n++) {
    const x = crisp((LEFT + (n * step - view.from) * view.speed) * k, dpr)
    context.strokeStyle = ruled ? INK.bold : INK.divider
    context.beginPath()
    context.moveTo(x, ruled ? 0 : (sheet.height - 4) * k)
    context.lineTo(x, sheet.height * k)
    context.stroke()
    context.fillStyle = INK.faint
    context.fillText(clock(n * step), x + 3, sheet.height * k - 3)
  }
}
