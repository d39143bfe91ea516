/** A book of templates on its page: what is looked for, what a version differs in, slots that the texts name. */
import type { BodyPart, PhraseEntry, TemplateEntry, TemplatesContent } from '@/api/templates'
import type { Slot } from '@/api/types'
import { language, t } from '@/i18n'
import type { Said } from './differing'
import { joined } from './joined'
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

const FIELDS = ['code', 'name', 'initials', 'modalities', 'body_parts', 'sex', 'normal', 'findings', 'impression', 'text', 'into', 'score'] as const
const wordOf = (name: string) => (name === 'findings' || name === 'impression' ? t(`word.${name}`) : t(`templates.field.${name}`))

/** A book said in words, entry by entry: what a version of it changes. In whichever order its fields came. */
export function inWords(content: TemplatesContent, parts: readonly BodyPart[]): Said[] {
  return (['templates', 'phrases'] as const).flatMap((part) => content[part].map((one: AnyEntry) => ({ label: `${t(`templates.part.${part}`)} ${one.name || one.code}`, lines: [...fieldsOf(one, parts), ...one.slots.map(slotWords)] })))
}

function fieldsOf(one: AnyEntry, parts: readonly BodyPart[]): string[] {
  const said = { ...one, body_parts: one.body_parts.map((code) => partName(parts, code)), sex: one.sex && t(`sex.${one.sex}`), ...('into' in one ? { into: t(`templates.into.${one.into}`) } : {}) } as unknown as Record<string, unknown>
  return FIELDS.flatMap((name) => (saysNothing(said[name]) ? [] : [t('word.said', { name: wordOf(name), value: said[name] === true ? '✓' : Array.isArray(said[name]) ? joined(said[name] as string[]) : String(said[name]) })]))
}

const saysNothing = (value: unknown) => value === undefined || value === '' || value === null || value === false || (Array.isArray(value) && !value.length)

function slotWords(slot: Slot): string {
  const limits = slot.low === null && slot.high === null ? '' : `${slot.low ?? ''}–${slot.high ?? ''}`
  const said = [t(`templates.type.${slot.type}`), slot.choices.join('/'), limits, slot.unit, slot.decimals ? String(slot.decimals) : '', slot.default, slot.required ? t('templates.field.required') : '']
  return t('word.said', { name: `{${slot.name}}`, value: said.filter(Boolean).join(' · ') })
}
