/** A book of templates on its page: what is looked for, what a version differs in, slots that the texts name. */
import type { BodyPart, PhraseEntry, TemplateEntry, TemplatesContent } from '@/api/templates'
import type { Slot } from '@/api/types'
import { language, t } from '@/i18n'
import { begin } from './slots'

export type Part = 'templates' | 'phrases'
export type AnyEntry = TemplateEntry | PhraseEntry

export const newSlot = (name: string): Slot => ({ name, type: 'text', choices: [], default: '', unit: '', low: null, high: null, decimals: 0, required: true })

const common = (code: string) => ({ code, name: '', initials: '', modalities: [], body_parts: [], sex: '' as const, slots: [] })
export const newTemplate = (code: string): TemplateEntry => ({ ...common(code), normal: false, findings: '', impression: '', score: '' })
export const newPhrase = (code: string): PhraseEntry => ({ ...common(code), text: '', into: 'both' })

/** A body part as the language calls it; a code that is none of ours stays. */
export function partName(parts: readonly BodyPart[], code: string): string {
  const part = parts.find((one) => one.code === code)
  return part ? (language.value === 'en' ? part.en : part.zh) : code
}

/** What an entry is for, in one line; empty: for anything. */
export const fitsText = (one: AnyEntry, parts: readonly BodyPart[]): string =>
  [one.modalities.join('/'), one.body_parts.map((code) => partName(parts, code)).join('/'), one.sex && t(`sex.${one.sex}`)].filter(Boolean).join(' · ')

export const textsOf = (one: AnyEntry): string[] => ('text' in one ? [one.text] : [one.findings, one.impression])

/** Names of slots in the texts, each once; braces that are written twice are none. */
export const namesIn = (one: AnyEntry): string[] => [...new Set(textsOf(one).flatMap((text) => [...text.matchAll(/\{\{|\}\}|\{([^{}]*)\}/g)].flatMap((found) => (found[1] === undefined ? [] : [found[1].trim()]))))]

/** The slots that the texts name, those that are there already as they are; none that no text names. */
export const withSlots = (one: AnyEntry): Slot[] => namesIn(one).map((name) => one.slots.find((slot) => slot.name === name) ?? newSlot(name))

export const preview = (text: string, slots: readonly Slot[]): string => begin(text, slots).text

export function found(rows: readonly AnyEntry[], typed: string, modality: string, part: string): number[] {
  const q = typed.trim().toLowerCase()
  return rows.flatMap((one, at) => {
    const says = !q || [one.code, one.name, one.initials, ...textsOf(one)].some((text) => text.toLowerCase().includes(q))
    const fits = (!modality || one.modalities.includes(modality)) && (!part || one.body_parts.includes(part))
    return says && fits ? [at] : []
  })
}

export interface Changed {
  code: string
  name: string
  how: 'added' | 'removed' | 'changed'
}

/** Alike in what they say, in whichever order their fields came. */
const sameSaid = (one: AnyEntry, other: AnyEntry): boolean => JSON.stringify(one, inOrder) === JSON.stringify(other, inOrder)
const inOrder = (_: string, value: unknown): unknown => (isFields(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value)
const isFields = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a version has that the other has not, by code. */
export function changes(before: TemplatesContent, after: TemplatesContent): Changed[] {
  return (['templates', 'phrases'] as const).flatMap((part) => {
    const old = new Map(before[part].map((one) => [one.code, one]))
    const fresh = new Map(after[part].map((one) => [one.code, one]))
    const came = [...fresh.values()].flatMap((one): Changed[] => {
      const was = old.get(one.code)
      return was && sameSaid(was, one) ? [] : [{ code: one.code, name: one.name, how: was ? 'changed' : 'added' }]
    })
    return [...came, ...[...old.values()].filter((one) => !fresh.has(one.code)).map((one): Changed => ({ code: one.code, name: one.name, how: 'removed' }))]
  })
}
