/**
 * How large a millimetre is on this screen.
 *
 * A browser knows pixels, not millimetres: somebody holds a card against the screen once. Kept for each screen of this
 * workstation in device pixels, so that the zoom of the browser changes nothing.
 */
import { ref } from 'vue'

const KEY = 'gateway.ecg.screens'
/** What a browser takes a millimetre for (CSS: 96 pixels an inch). */
export const NOMINAL_PX_PER_MM = 96 / 25.4
/** ISO/IEC 7810 ID-1: every bank card and identity card. */
export const CARD_MM = { width: 85.6, height: 53.98 }
/** Millimetres on screens run from a television's to a telephone's. */
const LEAST = 1.5
const MOST = 12

type Screens = Record<string, number>

function screens(): Screens {
  return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Screens
}

function name(): string {
  const dots = (size: number) => Math.round(size * window.devicePixelRatio)
  return `${dots(window.screen.width)}x${dots(window.screen.height)}`
}

const changes = ref(0)

/** CSS pixels of a true millimetre on the screen where this window is now; null where nobody has measured. */
export function measuredPxPerMm(): number | null {
  void changes.value
  const device = screens()[name()]
  return device ? device / window.devicePixelRatio : null
}

export function keepPxPerMm(pxPerMm: number): void {
  if (!(pxPerMm >= LEAST && pxPerMm <= MOST)) throw new RangeError(`${pxPerMm} pixels a millimetre`)
  localStorage.setItem(KEY, JSON.stringify({ ...screens(), [name()]: pxPerMm * window.devicePixelRatio }))
  changes.value += 1
}

export function forgetScreen(): void {
  const kept = screens()
  delete kept[name()]
  localStorage.setItem(KEY, JSON.stringify(kept))
  changes.value += 1
}

/** The window moved to another screen, or its zoom changed. */
export function noteScreen(): void {
  changes.value += 1
}
