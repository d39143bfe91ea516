/**
 * Slots of templates while a report is written. In a text an open slot stands as `{直径}`; one that was filled is a
 * place that is still known, so that Tab comes by again. Places move with what is typed around them.
 */
import type { Phrase, Slot } from '@/api/types'

export interface Place {
  name: string
  begin: number
  end: number
}

export interface Filled {
  text: string
  places: Place[]
}

export const SIDES = ['左侧', '右侧', '双侧']
/** Keys of a pick list. */
export const KEYS = '123456789abcdefghijklmnopqrstuvwxyz'

const PIECE = /\{\{|\}\}|\{([^{}]*)\}/g

/** The text of a template as it is written: defaults in their slots, the others open. */
export function begin(template: string, slots: readonly Slot[]): Filled {
  const defaults = new Map(slots.map((slot) => [slot.name, slot.default]))
  const places: Place[] = []
  let text = ''
  let at = 0
  for (const found of template.matchAll(PIECE)) {
    text += template.slice(at, found.index)
    at = found.index + found[0].length
    if (found[1] === undefined) text += found[0][0]
    else {
      const name = found[1].trim()
      const said = defaults.get(name) || `{${name}}`
      places.push({ name, begin: text.length, end: text.length + said.length })
      text += said
    }
  }
  return { text: text + template.slice(at), places }
}

/** Open slots in a text, of those that are known. */
export function openIn(text: string, known: ReadonlyMap<string, Slot>): Place[] {
  return [...text.matchAll(/\{([^{}]+)\}/g)].filter((found) => known.has(found[1]!)).map((found) => ({ name: found[1]!, begin: found.index, end: found.index + found[0].length }))
}

/** Places after a text became another one; those that were typed over are gone. `held`: the place that is being filled. */
export function moved(places: readonly Place[], before: string, after: string, held: Place | null = null): Place[] {
  const shorter = Math.min(before.length, after.length)
  let from = 0
  while (from < shorter && before[from] === after[from]) from += 1
  // What is typed into a place is taken for its own, also where its neighbours begin with the same sign.
  if (held && from > held.end) from = held.end
  let same = 0
  while (same < shorter - from && before[before.length - 1 - same] === after[after.length - 1 - same]) same += 1
  const to = before.length - same
  const delta = after.length - before.length
  return places.flatMap((place) => {
    if (place === held && from >= place.begin && to <= place.end) return [{ ...place, end: place.end + delta }]
    if (from > place.begin && to < place.end) return [{ ...place, end: place.end + delta }]
    if (place.end <= from) return [place]
    if (place.begin >= to) return [{ ...place, begin: place.begin + delta, end: place.end + delta }]
    return []
  })
}

/** All that Tab comes by in a text: places that are known and slots that are open, each once, in their order. */
export function stopsOf(text: string, places: readonly Place[], known: ReadonlyMap<string, Slot>): Place[] {
  const open = openIn(text, known).filter((one) => !places.some((place) => place.begin <= one.begin && one.end <= place.end))
  return [...places, ...open].filter((one) => one.end <= text.length).sort((a, b) => a.begin - b.begin)
}

/** `;code` right before the caret: where it begins, and what is meant. */
export function shortCode(text: string, caret: number): { begin: number; code: string } | null {
  const found = /[;；]([A-Za-z0-9_.-]{1,64})$/.exec(text.slice(0, caret))
  return found ? { begin: found.index, code: found[1]!.toLowerCase() } : null
}

export const byCode = (phrases: readonly Phrase[], code: string): Phrase | undefined => phrases.find((one) => one.code.toLowerCase() === code) ?? phrases.find((one) => one.initials === code)

/** What is looked for in the list: code, initials, words; what is for this examination before what is not. */
export function search(phrases: readonly Phrase[], typed: string): Phrase[] {
  const q = typed.trim().toLowerCase()
  if (!q) return phrases.filter((one) => one.fit !== 'other')
  const place = (one: Phrase) => [one.code.toLowerCase(), one.initials, one.name.toLowerCase()].reduce((best, text) => Math.min(best, text.startsWith(q) ? 0 : text.includes(q) ? 1 : 3), 3)
  const said = (one: Phrase) => [one.findings, one.impression, one.text].some((text) => text.toLowerCase().includes(q))
  const rank = (one: Phrase) => Math.min(place(one), said(one) ? 2 : 3) + (one.fit === 'other' ? 0.5 : 0)
  return phrases.map((one) => [rank(one), one] as const).filter(([at]) => at < 3).sort(([a], [b]) => a - b).map(([, one]) => one)
}

export function choicesOf(slot: Slot, today = new Date()): string[] {
  if (slot.type === 'side') return SIDES
  if (slot.type !== 'date') return slot.choices
  const day = (back: number) => new Date(today.getTime() - back * 86_400_000 - today.getTimezoneOffset() * 60_000).toISOString().slice(0, 10)
  return [day(0), day(1)]
}

/** Several are joined as one says them. */
export const JOINT = '、'

export function toggled(said: string, choice: string, choices: readonly string[]): string {
  const chosen = new Set(said.split(JOINT).filter((one) => choices.includes(one)))
  if (!chosen.delete(choice)) chosen.add(choice)
  return choices.filter((one) => chosen.has(one)).join(JOINT)
}

/** What is odd about what was filled in: a key of the words, or nothing. */
export function oddity(slot: Slot, said: string): '' | 'open' | 'number' | 'low' | 'high' | 'decimals' | 'date' {
  if (said === '' || said === `{${slot.name}}`) return 'open'
  if (slot.type === 'date') return /^\d{4}-\d{2}-\d{2}$/.test(said) ? '' : 'date'
  if (slot.type !== 'number') return ''
  const found = /^(\d+)(?:\.(\d+))?$/.exec(said.trim())
  if (!found) return 'number'
  const value = Number(said)
  if (slot.low !== null && value < slot.low) return 'low'
  if (slot.high !== null && value > slot.high) return 'high'
  return (found[2]?.length ?? 0) > slot.decimals ? 'decimals' : ''
}

/** Slots by name: of the templates that the report was begun from first, else of whatever is offered. */
export function knownSlots(phrases: readonly Phrase[], used: readonly string[]): Map<string, Slot> {
  const ordered = [...phrases.filter((one) => !used.includes(one.code)), ...used.flatMap((code) => phrases.filter((one) => one.code === code))]
  return new Map(ordered.flatMap((one) => one.slots.map((slot) => [slot.name, slot] as const)))
}
