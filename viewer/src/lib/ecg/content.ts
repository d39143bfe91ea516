/** What an ECG report says besides its words: measurements with their sources, statements, and the words made of both. */
import type { EcgProposal, EcgDescription, QtcFormula } from './recordings'

export const MEASURES = ['heart_rate_bpm', 'pr_ms', 'qrs_ms', 'qt_ms', 'qtc_ms', 'qrs_axis_deg', 'p_ms', 'rr_ms', 'p_axis_deg', 't_axis_deg'] as const
export type Measure = (typeof MEASURES)[number]
/** What is shown and typed; QTc follows from rate, QT and formula. */
export const TYPED = ['heart_rate_bpm', 'pr_ms', 'qrs_ms', 'qt_ms', 'qrs_axis_deg'] as const satisfies readonly Measure[]
export const FORMULAS = ['bazett', 'fridericia', 'framingham', 'hodges'] as const satisfies readonly QtcFormula[]
export type Source = 'cart' | 'computed' | 'caliper' | 'typed'

export type Measurements = Partial<Record<Measure, number>> & { qtc_formula?: QtcFormula; source?: Partial<Record<Measure, Source>> }

export interface Wording {
  code: string
  group: string
  text: string
  text_en: string
  critical: boolean
}

export interface EcgContent {
  measurements: Measurements
  statements: string[]
  layout?: string
  /** Of a signed report: the words of its statements at the signature. */
  wording?: Wording[]
}

export interface Statement {
  code: string
  group: 'rhythm' | 'axis' | 'conduction' | 'hypertrophy' | 'st_t' | 'conclusion'
  text: string
  text_en: string
  initials: string
  critical: boolean
  normal: boolean
  enabled: boolean
  measure: string
  above: number | null
  below: number | null
}

/** The server's own (worklists/ecg_content.py): beyond them no heart is. */
const BOUNDS: Record<Measure, readonly [number, number]> = {
  heart_rate_bpm: [10, 400], rr_ms: [150, 6000], p_ms: [20, 300], pr_ms: [40, 1000], qrs_ms: [20, 400],
  qt_ms: [100, 1200], qtc_ms: [100, 1500], p_axis_deg: [-180, 180], qrs_axis_deg: [-180, 180], t_axis_deg: [-180, 180],
}

export const isPossible = (name: Measure, value: number): boolean => Number.isFinite(value) && value >= BOUNDS[name][0] && value <= BOUNDS[name][1]
export const boundsOf = (name: Measure): readonly [number, number] => BOUNDS[name]

const QTC: Record<QtcFormula, (qt: number, rate: number) => number> = {
  bazett: (qt, rate) => qt / Math.sqrt(60 / rate),
  fridericia: (qt, rate) => qt / Math.cbrt(60 / rate),
  framingham: (qt, rate) => qt + 154 * (1 - 60 / rate),
  hodges: (qt, rate) => qt + 1.75 * (rate - 60),
}

export const qtcOf = (formula: QtcFormula, qt: number, rate: number): number => Math.round(QTC[formula](qt, rate))

export const noContent = (): EcgContent => ({ measurements: {}, statements: [] })

/** One value more, or less (null); QTc is calculated anew. */
export function withMeasure(content: EcgContent, name: Measure, value: number | null, source: Source, formula: QtcFormula): EcgContent {
  const measurements: Measurements = { ...content.measurements, source: { ...content.measurements.source } }
  if (value === null || !isPossible(name, value)) {
    delete measurements[name]
    delete measurements.source![name]
  } else {
    measurements[name] = value
    measurements.source![name] = source
  }
  return { ...content, measurements: withQtc(measurements, formula) }
}

export const withFormula = (content: EcgContent, formula: QtcFormula): EcgContent => ({ ...content, measurements: withQtc(content.measurements, formula) })

function withQtc(given: Measurements, formula: QtcFormula): Measurements {
  const measurements: Measurements = { ...given, source: { ...given.source } }
  delete measurements.qtc_ms
  delete measurements.qtc_formula
  delete measurements.source!.qtc_ms
  const qtc = measurements.qt_ms && measurements.heart_rate_bpm ? qtcOf(formula, measurements.qt_ms, measurements.heart_rate_bpm) : null
  if (qtc !== null && isPossible('qtc_ms', qtc)) {
    measurements.qtc_ms = qtc
    measurements.qtc_formula = formula
    measurements.source!.qtc_ms = 'computed'
  }
  if (!Object.keys(measurements.source!).length) delete measurements.source
  return measurements
}

export interface Proposed {
  value: number
  source: 'cart' | 'computed'
}

/** What may be accepted for a value: the cart's, then ours where it says something else. */
export function proposals(name: Measure, description: EcgDescription | null, computed: EcgProposal | null): Proposed[] {
  const found: Proposed[] = []
  for (const [measurements, source] of [[description?.measurements, 'cart'], [computed?.measurements, 'computed']] as const) {
    const value = (measurements as Record<string, unknown> | undefined)?.[name]
    if (typeof value !== 'number' || !isPossible(name, value)) continue
    const rounded = Math.round(value)
    if (!found.some((one) => one.value === rounded)) found.push({ value: rounded, source })
  }
  return found
}

/** Every value that nobody has given yet, as proposed first. */
export function acceptAll(content: EcgContent, description: EcgDescription | null, computed: EcgProposal | null, formula: QtcFormula): EcgContent {
  return MEASURES.filter((name) => name !== 'qtc_ms').reduce((all, name) => {
    const [first] = proposals(name, description, computed)
    return first && all.measurements[name] === undefined ? withMeasure(all, name, first.value, first.source, formula) : all
  }, content)
}

export function isMet(statement: Statement, measurements: Measurements): boolean {
  const value = measurements[statement.measure as Measure]
  if (value === undefined || (statement.above === null && statement.below === null)) return false
  return (statement.above === null || value > statement.above) && (statement.below === null || value < statement.below)
}

/** What the numbers propose and nobody has said yet. */
export const proposedBy = (content: EcgContent, all: readonly Statement[]): Statement[] => all.filter((one) => one.enabled && isMet(one, content.measurements) && !content.statements.includes(one.code))

/** Why the report must be critical: what stands in it, and what its numbers say. */
export const criticalIn = (content: EcgContent, all: readonly Statement[]): Statement[] => all.filter((one) => one.critical && (content.statements.includes(one.code) || (one.enabled && isMet(one, content.measurements))))

/** Those that stand in a report, in the order of practice. */
export const chosenOf = (codes: readonly string[], all: readonly Statement[]): Statement[] => all.filter((one) => codes.includes(one.code))

export function withStatements(content: EcgContent, codes: readonly string[], all: readonly Statement[]): EcgContent {
  const wanted = new Set([...content.statements, ...codes])
  return { ...content, statements: all.filter((one) => wanted.has(one.code)).map((one) => one.code) }
}

export const withoutStatement = (content: EcgContent, code: string): EcgContent => ({ ...content, statements: content.statements.filter((one) => one !== code) })

const folded = (text: string) => text.toLowerCase().replace(/[\s·、，,（）()–-]/g, '')

/** By initials of the pinyin, Chinese or English: what begins so first, then what contains it, each in the order of practice. */
export function search(q: string, all: readonly Statement[]): Statement[] {
  const word = folded(q)
  const offered = all.filter((one) => one.enabled)
  if (!word) return offered
  const rank = (one: Statement): number => {
    const places = [one.initials, folded(one.text), folded(one.text_en)]
    if (places.some((place) => place === word)) return 0
    if (places.some((place) => place.startsWith(word))) return 1
    return places.some((place) => place.includes(word)) ? 2 : 3
  }
  const ranked = offered.map((one) => [rank(one), one] as const).filter(([place]) => place < 3)
  return ranked.sort(([a], [b]) => a - b).map(([, one]) => one)
}

/** The cart's line as one of ours, when it says just that. */
export const sameAs = (line: string, all: readonly Statement[]): Statement | undefined => all.find((one) => one.enabled && [one.text, one.text_en].some((text) => folded(text) === folded(line)))

const NAMES: Partial<Record<Measure, string>> = { pr_ms: 'PR间期', qrs_ms: 'QRS时限', qrs_axis_deg: 'QRS电轴' }
const FORMULA_NAMES: Record<QtcFormula, string> = { bazett: 'Bazett', fridericia: 'Fridericia', framingham: 'Framingham', hodges: 'Hodges' }

export interface Composed {
  findings: string
  impression: string
}

/** Reports are Chinese: the numbers and what is seen as findings, every statement as the impression. */
export function compose(content: EcgContent | null, all: readonly Statement[]): Composed {
  if (!content) return { findings: '', impression: '' }
  const chosen = chosenOf(content.statements, all)
  const rhythm = chosen.filter((one) => one.group === 'rhythm')
  const rest = chosen.filter((one) => one.group !== 'rhythm' && one.group !== 'conclusion')
  const sentences = [[...rhythm.map((one) => one.text), ...measureWords(content.measurements)], rest.map((one) => one.text)]
  const findings = sentences.filter((parts) => parts.length).map((parts) => `${parts.join('，')}。`).join('')
  return {
    findings: findings || chosen.map((one) => `${one.text}。`).join(''),
    impression: chosen.length > 1 ? chosen.map((one, index) => `${index + 1}. ${one.text}`).join('\n') : (chosen[0]?.text ?? ''),
  }
}

function measureWords(measurements: Measurements): string[] {
  const words: string[] = []
  if (measurements.heart_rate_bpm !== undefined) words.push(`心率 ${measurements.heart_rate_bpm} 次/分`)
  for (const name of ['pr_ms', 'qrs_ms'] as const) if (measurements[name] !== undefined) words.push(`${NAMES[name]} ${measurements[name]} ms`)
  if (measurements.qtc_ms !== undefined) words.push(`QT/QTc间期 ${measurements.qt_ms}/${measurements.qtc_ms} ms（${FORMULA_NAMES[measurements.qtc_formula!]}）`)
  else if (measurements.qt_ms !== undefined) words.push(`QT间期 ${measurements.qt_ms} ms`)
  if (measurements.qrs_axis_deg !== undefined) words.push(`${NAMES.qrs_axis_deg} ${measurements.qrs_axis_deg}°`)
  return words
}

/** A text with what was composed in it replaced by what is composed now; null when a person has changed that part. */
export function recomposed(text: string, before: string, now: string): string | null {
  if (before === now) return text
  if (!text.trim()) return now
  if (!before) return text.includes(now) ? text : `${now}\n${text}`
  const at = text.indexOf(before)
  if (at < 0) return null
  return (text.slice(0, at) + now + text.slice(at + before.length)).replace(/^\n+/, '')
}

export type Doubt =
  | { kind: 'no_rate' }
  | { kind: 'acute' }
  | { kind: 'irregular' }
  | { kind: 'measured'; statements: Statement[] }
  | { kind: 'said'; statements: Statement[] }
  | { kind: 'cart'; lines: string[] }

/** A cart's lines that speak for a normal ECG, or of nothing, in the languages that carts are set to. */
const HARMLESS = [/^[\s*.\-–—]*$/, /unconfirmed|confirmed by|reviewed by|未确认|未经确认|analysis|由.*确认/i, /^[\s*-]*(otherwise )?normal( (sinus rhythm|ecg|electrocardiogram|axis|tracing))?[\s.*-]*$/i, /^[\s*-]*sinus rhythm[\s.*-]*$/i, /^(正常)?(窦性心律|心电图|心电轴)(正常)?[。.]?$/, /^心电轴正常[。.]?$/, /^(ritmo sinusale?|ecg normale?|rythme sinusal|sinusrhythmus|normales ekg)[. ]*$/i]

/** Why this would not be a normal ECG. What only the cart says, a person may overrule. */
export function doubtOf(content: EcgContent, all: readonly Statement[], description: EcgDescription | null, computed: EcgProposal | null): Doubt | null {
  if (description?.acute) return { kind: 'acute' }
  if (content.measurements.heart_rate_bpm === undefined) return { kind: 'no_rate' }
  const measured = all.filter((one) => one.enabled && !one.normal && isMet(one, content.measurements))
  if (measured.length) return { kind: 'measured', statements: measured }
  const said = chosenOf(content.statements, all).filter((one) => !one.normal)
  if (said.length) return { kind: 'said', statements: said }
  if (computed?.regular === false) return { kind: 'irregular' }
  const lines = (description?.statements ?? []).filter((line) => !HARMLESS.some((one) => one.test(line)))
  return lines.length ? { kind: 'cart', lines } : null
}

/** Whether a person may still write a normal report beside this doubt: the cart and our rhythm are proposals. */
export const mayOverrule = (doubt: Doubt): boolean => doubt.kind === 'cart' || doubt.kind === 'irregular'
