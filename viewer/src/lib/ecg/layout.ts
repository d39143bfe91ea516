/** Which lead stands where on the paper, and how the rows share it. Lengths in millimetres of paper, times in seconds. */

export const LAYOUTS = ['3x4', '6x2', '12x1', 'cabrera'] as const
export type LayoutName = (typeof LAYOUTS)[number]

export const STANDARD = ['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6'] as const
const LIMB = STANDARD.slice(0, 6)
const CHEST = STANDARD.slice(6)
const CABRERA = ['aVL', 'I', '-aVR', 'II', 'aVF', 'III']
/** What a rhythm strip shows for choice. */
const RHYTHM = ['II', 'V1', 'V5', 'V2', 'MLII']
/** With fewer of the standard leads a grid would be mostly holes. */
const LEAST_OF_STANDARD = 6

export interface Slot {
  /** Index of the lead; -1: this recording has none of that name. */
  lead: number
  name: string
  inverted: boolean
  /** Its share of the row is stretch `part` of `parts`. */
  part: number
  parts: number
  rhythm: boolean
}

/** A stretch of one lead on the paper. */
export interface Panel extends Slot {
  row: number
  x: number
  width: number
  /** Of zero millivolt. */
  baseline: number
  top: number
  bottom: number
  from: number
  to: number
}

function slot(names: readonly string[], name: string, part: number, parts: number, rhythm = false): Slot {
  // A cart may have recorded −aVR itself.
  const inverted = name.startsWith('-') && !names.includes(name)
  return { lead: names.indexOf(inverted ? name.slice(1) : name), name: name.replace('-aVR', '−aVR'), inverted, part, parts, rhythm }
}

/** Columns of names, read row by row. */
function grid(names: readonly string[], columns: string[][]): Slot[][] {
  const rows = Math.max(0, ...columns.map((column) => column.length))
  return Array.from({ length: rows }, (_, row) =>
    columns.flatMap((column, part) => (column[row] === undefined ? [] : [slot(names, column[row], part, columns.length)])),
  )
}

function chunks(names: string[], size: number): string[][] {
  return Array.from({ length: Math.ceil(names.length / size) }, (_, i) => names.slice(i * size, (i + 1) * size))
}

export function rhythmLead(names: readonly string[], wanted = 'II'): string {
  return [wanted, ...RHYTHM].find((name) => names.includes(name)) ?? names[0] ?? ''
}

/** True when these leads are laid out in a grid, false when each has a row of its own. */
export function isGrid(names: readonly string[]): boolean {
  return STANDARD.filter((name) => names.includes(name)).length >= LEAST_OF_STANDARD
}

/** Rows of slots: every lead of the recording has a place in every layout, whatever it is called. */
export function arrange(names: readonly string[], layout: LayoutName, rhythm = 'II'): Slot[][] {
  const extra = names.filter((name) => !(STANDARD as readonly string[]).includes(name))
  if (!isGrid(names)) return names.map((name) => [slot(names, name, 0, 1)])
  if (layout === '12x1') {
    return [...STANDARD, ...extra].filter((name) => names.includes(name) || !extra.length).map((name) => [slot(names, name, 0, 1)])
  }
  if (layout === '3x4') {
    const strip = [slot(names, rhythmLead(names, rhythm), 0, 1, true)]
    return [...grid(names, chunks([...STANDARD], 3)), ...grid(names, chunks(extra, 3)), strip]
  }
  const limb = layout === 'cabrera' ? CABRERA : [...LIMB]
  return [...grid(names, [limb, [...CHEST]]), ...grid(names, chunks(extra, Math.ceil(extra.length / 2)))]
}

/** Left of the tracing stands the calibration pulse. */
export const LEFT = 10
const RIGHT = 2
const TOP = 3
const BOTTOM = 4
/** A pulse of 1 mV and 0.2 s stands in every margin. */
export const PULSE_S = 0.2
/** Rows closer than this run into each other too much; farther apart the eye loses the time. */
const NEAREST = { grid: 16, rows: 11 }
const FARTHEST = { grid: 42, few: 58 }

export interface Sheet {
  width: number
  height: number
  panels: Panel[]
  pitch: number
  /** Of each row: where its pulse stands. */
  baselines: number[]
}

export interface View {
  /** The stretch of the recording on the paper. */
  from: number
  span: number
  speed: number
}

export function sheetWidth(view: View): number {
  return LEFT + view.span * view.speed + RIGHT
}

/** The sheet for a view; `room` is the height there is, which rows share as far as they may. */
export function layOut(rows: Slot[][], view: View, room: number): Sheet {
  const nearest = rows.length > 8 ? NEAREST.rows : NEAREST.grid
  const pitch = Math.floor(Math.min(rows.length > 3 ? FARTHEST.grid : FARTHEST.few, Math.max(nearest, (room - TOP - BOTTOM) / Math.max(1, rows.length))))
  const inner = view.span * view.speed
  const baselines = rows.map((_, row) => TOP + row * pitch + Math.round(pitch * 0.58))
  const panels = rows.flatMap((slots, row) =>
    slots.map((one): Panel => {
      const width = inner / one.parts
      const length = view.span / one.parts
      const from = view.from + one.part * length
      const top = TOP + row * pitch
      return { ...one, row, x: LEFT + one.part * width, width, baseline: baselines[row]!, top, bottom: top + pitch, from, to: from + length }
    }),
  )
  return { width: LEFT + inner + RIGHT, height: TOP + rows.length * pitch + BOTTOM, panels, pitch, baselines }
}

export function panelAt(sheet: Sheet, x: number, y: number): Panel | undefined {
  const inRow = sheet.panels.filter((panel) => y >= panel.top && y < panel.bottom)
  return inRow.find((panel) => x >= panel.x && x < panel.x + panel.width) ?? undefined
}

export function xOf(panel: Panel, time: number, view: View): number {
  return panel.x + (time - panel.from) * view.speed
}

export function timeAt(panel: Panel, x: number, view: View): number {
  return panel.from + (x - panel.x) / view.speed
}
