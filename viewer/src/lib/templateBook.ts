/** A book of templates on its page: what is looked for, what a version differs in, slots that the texts name. */
import type { PhraseEntry, TemplateEntry, TemplatesContent } from '@/api/templates'
import type { Slot } from '@/api/types'
import { begin } from './slots'

export type Part = 'templates' | 'phrases'
export type AnyEntry = TemplateEntry | PhraseEntry

export const newSlot = (name: string): Slot => ({ name, type: 'text', choices: [], default: '', unit: '', low: null, high: null, decimals: 0, required: true })

const common = (code: string) => ({ code, name: '', initials: '', modalities: [], body_parts: [], sex: '' as const, slots: [] })
export const newTemplate = (code: string): TemplateEntry => ({ ...common(code), normal: false, findings: '', impression: '', score: '' })
export const newPhrase = (code: string): PhraseEntry => ({ ...common(code), text: '', into: 'both' })

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

/** What a version has that the other has not, by code. */
export function changes(before: TemplatesContent, after: TemplatesContent): Changed[] {
  return (['templates', 'phrases'] as const).flatMap((part) => {
    const old = new Map(before[part].map((one) => [one.code, one]))
    const fresh = new Map(after[part].map((one) => [one.code, one]))
    const came = [...fresh.values()].flatMap((one): Changed[] => {
      const was = old.get(one.code)
      return was && JSON.stringify(was) === JSON.stringify(one) ? [] : [{ code: one.code, name: one.name, how: was ? 'changed' : 'added' }]
    })
    return [...came, ...[...old.values()].filter((one) => !fresh.has(one.code)).map((one): Changed => ({ code: one.code, name: one.name, how: 'removed' }))]
  })
}
