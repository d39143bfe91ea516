/** The sheet of results as a person reads it: sections, rows, what may be verified and what has to be explained. */
import type { Abnormal, LabItemShown, LabRangeShown, LabResult } from '@/api/lab'

export interface SheetSection {
  panel: string | null
  section: string
  items: LabItemShown[]
}

export type Shown = 'all' | 'waiting' | 'abnormal'
export type Tone = '' | 'care' | 'now'
/** Where a row stands, as one word. */
export type Standing = 'pending' | 'withdrawn' | 'preliminary' | 'waiting' | 'automatic' | 'verified' | 'rerun'

const OPEN = new Set(['waiting', 'rerun'])
const ARROWS: Record<Abnormal, string> = { '': '', L: '↓', H: '↑', LL: '⇊', HH: '⇈', A: '＊', AA: '‼' }

/** In the order in which the server tells them; a heading where the panel changes, or the section of what is in none. */
export function sectionsOf(items: readonly LabItemShown[]): SheetSection[] {
  const found: SheetSection[] = []
  for (const item of items) {
    const last = found.at(-1)
    if (last && last.panel === item.panel && (item.panel !== null || last.section === item.section)) last.items.push(item)
    else found.push({ panel: item.panel, section: item.section, items: [item] })
  }
  return found
}

export function matching(items: readonly LabItemShown[], shown: Shown): LabItemShown[] {
  if (shown === 'all') return [...items]
  return items.filter(({ result }) => result !== null && (shown === 'waiting' ? OPEN.has(result.verification) : result.abnormal !== '' || result.critical))
}

export const arrowOf = (abnormal: Abnormal): string => ARROWS[abnormal]

/** Red is for what is critical alone. */
export function toneOf(result: Pick<LabResult, 'abnormal' | 'critical'>): Tone {
  if (result.critical) return 'now'
  return result.abnormal ? 'care' : ''
}

/** The dictionary writes `umol/L` for machines; people write μmol/L. */
export const unitText = (unit: string): string => unit.replace(/(^|\/)u(?=(mol|kat|g|m|s|L|U|IU)\b)/g, '$1μ')

export function rangeText(range: LabRangeShown): string {
  if (range.text) return range.text
  if (range.low !== null && range.high !== null) return `${range.low}–${range.high}`
  if (range.low !== null) return `≥ ${range.low}`
  return range.high !== null ? `≤ ${range.high}` : ''
}

/** `−20.6 %`, with a minus that is one. */
export function percentText(percent: number | null): string {
  if (percent === null) return ''
  const size = Math.abs(percent)
  const sign = percent > 0 ? '+' : percent < 0 ? '−' : ''
  return `${sign}${size >= 100 ? Math.round(size) : size} %`
}

export function standingOf(item: LabItemShown): Standing {
  const { result } = item
  if (!result) return 'pending'
  if (result.status === 'D' || result.status === 'X') return 'withdrawn'
  if (result.verification === 'rerun') return 'rerun'
  return result.status === 'P' && result.verification === 'waiting' ? 'preliminary' : result.verification
}

export const isOpen = (result: LabResult | null): result is LabResult => result !== null && OPEN.has(result.verification)

/** What one keystroke may verify: what a rule held back for looking at, and nothing that has to be explained or is not final. */
export function verifiable(items: readonly LabItemShown[]): LabResult[] {
  return items.flatMap(({ result, needs_word }) => (result && result.verification === 'waiting' && result.status !== 'P' && !needs_word ? [result] : []))
}

export const waitingOf = (items: readonly LabItemShown[]): LabItemShown[] => items.filter(({ result }) => isOpen(result))
export const pendingOf = (items: readonly LabItemShown[]): LabItemShown[] => items.filter(({ result }) => result === null)
export const criticalOf = (items: readonly LabItemShown[]): LabItemShown[] => items.filter(({ result }) => result?.critical)

/** After one is verified: the next below it that waits, else the first that does, else it stays. */
export function nextWaiting(items: readonly LabItemShown[], after: string): string {
  const at = items.findIndex((item) => item.item_code === after)
  const round = [...items.slice(at + 1), ...items.slice(0, at)]
  return round.find(({ result }) => result?.verification === 'waiting')?.item_code ?? after
}

/** What stands between this sheet and a signature: results to look at; what is held or to come only has to be known of. */
export interface Doubt {
  kind: 'waiting' | 'held' | 'pending' | 'empty'
  n: number
  /** A second time signs all the same. */
  again: boolean
}

export function doubtOf(items: readonly LabItemShown[], held: number): Doubt | null {
  const waiting = items.filter(({ result }) => result?.verification === 'waiting').length
  if (waiting) return { kind: 'waiting', n: waiting, again: false }
  if (!items.some(({ result }) => result)) return { kind: 'empty', n: 0, again: false }
  if (held) return { kind: 'held', n: held, again: true }
  const pending = items.filter(({ result }) => result === null || result.verification === 'rerun').length
  return pending ? { kind: 'pending', n: pending, again: true } : null
}
