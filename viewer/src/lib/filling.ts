/**
 * Filling the slots of a report: which place is being filled, what its keys do, and texts that are changed so that the
 * browser's own undo still takes every step back.
 */
import { computed, nextTick, reactive, ref, shallowReactive, shallowRef, watch } from 'vue'
import type { Phrase, Slot } from '@/api/types'
import { composing } from './shortcuts'
import { begin, byCode, choicesOf, KEYS, moved, oddity, shortCode, stopsOf, toggled, type Place } from './slots'

export const SECTIONS = ['findings', 'impression'] as const
export type Section = (typeof SECTIONS)[number]
export type Areas = Record<Section, HTMLTextAreaElement | undefined>

interface At {
  section: Section
  place: Place
}

/** `execCommand` is the one way to change a text field that undo knows; where there is none, the change still happens. */
export function replaceIn(area: HTMLTextAreaElement, from: number, to: number, text: string): void {
  area.focus()
  area.setSelectionRange(from, to)
  if (from === to && !text) return
  if (typeof document.execCommand === 'function' && document.execCommand(text ? 'insertText' : 'delete', false, text)) return
  area.setRangeText(text, from, to, 'end')
  area.dispatchEvent(new Event('input', { bubbles: true }))
}

export function useFilling(areas: () => Areas, words: () => Record<Section, string>, known: () => ReadonlyMap<string, Slot>, phrases: () => readonly Phrase[], expand: (section: Section, phrase: Phrase) => void) {
  const places = shallowReactive<Record<Section, Place[]>>({ findings: [], impression: [] })
  const before: Record<Section, string> = { findings: words().findings, impression: words().impression }
  const at = shallowRef<At | null>(null)
  /** Which line of the pick list the arrows are on. */
  const line = ref(0)

  const slot = computed(() => (at.value ? (known().get(at.value.place.name) ?? null) : null))
  const said = computed(() => (at.value ? words()[at.value.section].slice(at.value.place.begin, at.value.place.end) : ''))
  const choices = computed(() => (slot.value ? choicesOf(slot.value) : []))
  const odd = computed(() => (slot.value ? oddity(slot.value, said.value) : ''))

  // Every way by which a text changes comes by here: typing, undo, a newer draft.
  watch(
    () => [words().findings, words().impression],
    () => SECTIONS.forEach(follow),
    { flush: 'sync' },
  )

  function follow(section: Section): void {
    const text = words()[section]
    if (text === before[section]) return
    const held = at.value?.section === section ? at.value.place : null
    const index = held ? places[section].indexOf(held) : -1
    const after = moved(places[section], before[section], text, held)
    before[section] = text
    places[section] = after
    if (index >= 0) at.value = after.find((one) => one.name === held!.name && one.begin === held!.begin) ? { section, place: places[section].find((one) => one.name === held!.name && one.begin === held!.begin)! } : null
  }

  const stops = (): At[] => SECTIONS.flatMap((section) => stopsOf(words()[section], places[section], known()).map((place) => ({ section, place })))
  const open = (): At[] => stops().filter(({ section, place }) => words()[section].slice(place.begin, place.end) === `{${place.name}}`)

  function go(to: At): void {
    const area = areas()[to.section]
    if (!area) return
    if (!places[to.section].includes(to.place)) places[to.section] = [...places[to.section], to.place].sort((a, b) => a.begin - b.begin)
    area.focus()
    area.setSelectionRange(to.place.begin, to.place.end)
    at.value = { section: to.section, place: places[to.section].find((one) => one.begin === to.place.begin && one.name === to.place.name)! }
    line.value = Math.max(0, choices.value.indexOf(said.value))
  }

  /** On to the next stop or back to the one before; false when there is none in that direction. */
  function step(back: boolean, section: Section, caret: number): boolean {
    settle()
    const all = stops()
    const order = (one: At) => SECTIONS.indexOf(one.section) * 1e9 + one.place.begin
    const here = SECTIONS.indexOf(section) * 1e9 + (at.value?.section === section ? at.value.place.begin : caret - (back ? 0 : 1))
    const to = back ? all.filter((one) => order(one) < here).at(-1) : all.find((one) => order(one) > here)
    if (!to) {
      at.value = null
      return false
    }
    go(to)
    return true
  }

  /** The same slot says the same in its other places. */
  function settle(): void {
    if (!at.value || odd.value === 'open') return
    const { section, place } = at.value
    const text = said.value
    const active = areas()[section]
    for (const other of open().filter((one) => one.place.name === place.name && one.place !== place)) write(other, text)
    active?.focus()
  }

  function write(to: At, text: string): void {
    const area = areas()[to.section]
    if (!area) return
    const { name, begin: from } = to.place
    if (!places[to.section].includes(to.place)) places[to.section] = [...places[to.section], { ...to.place }].sort((a, b) => a.begin - b.begin)
    const place = places[to.section].find((one) => one.name === name && one.begin === from)!
    const kept = at.value
    at.value = { section: to.section, place }
    replaceIn(area, place.begin, place.end, text)
    if (kept && kept.place !== place) at.value = { section: kept.section, place: places[kept.section].find((one) => one.name === kept.place.name && one.begin === kept.place.begin) ?? kept.place }
  }

  function pick(choice: string): void {
    if (!at.value || !slot.value) return
    const many = slot.value.type === 'many'
    write(at.value, many ? toggled(said.value, choice, choices.value) || `{${slot.value.name}}` : choice)
    const now = at.value
    if (many && now) return areas()[now.section]?.setSelectionRange(now.place.begin, now.place.end)
    if (now) void (step(false, now.section, now.place.end) || areas()[now.section]?.setSelectionRange(now.place.end, now.place.end))
  }

  /** A slot that need not be filled leaves nothing behind. */
  function leaveEmpty(): void {
    if (!at.value || slot.value?.required !== false) return
    const { section, place } = at.value
    at.value = null
    replaceIn(areas()[section]!, place.begin, place.end, '')
    step(false, section, place.begin)
  }

  /** Words behind the caret (or in the place of a selection) with their slots; the first of them is where one goes on. */
  function insert(section: Section, text: string, slots: readonly Slot[], from: number, to: number): Place[] {
    const area = areas()[section]
    if (!area) return []
    const made = begin(text, slots)
    at.value = null
    replaceIn(area, from, to, made.text)
    const fresh = made.places.map((one) => ({ ...one, begin: one.begin + from, end: one.end + from }))
    places[section] = [...places[section].filter((one) => one.end <= from || one.begin >= from + made.text.length), ...fresh].sort((a, b) => a.begin - b.begin)
    return fresh
  }

  function onKey(section: Section, event: KeyboardEvent): void {
    const area = areas()[section]
    if (!area || area.readOnly || composing(event) || event.ctrlKey || event.altKey || event.metaKey) return
    if (act(section, area, event)) event.preventDefault()
  }

  function act(section: Section, area: HTMLTextAreaElement, event: KeyboardEvent): boolean {
    if (event.key === 'Tab') return (!event.shiftKey && expandAt(section, area)) || step(event.shiftKey, section, area.selectionStart)
    if (!at.value || at.value.section !== section) return false
    if (event.key === 'Escape') return leave(area)
    if (!choices.value.length) return false
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') return shift(event.key === 'ArrowDown' ? 1 : -1)
    if (event.key === 'Enter') return choose(line.value, slot.value?.type === 'many' && odd.value !== 'open')
    if (event.key === '0' && slot.value?.required === false && whole(area)) return (leaveEmpty(), true)
    if (slot.value?.type === 'date' || !whole(area)) return false
    const index = KEYS.indexOf(event.key.toLowerCase())
    return index >= 0 && index < choices.value.length ? choose(index, false) : false
  }

  const whole = (area: HTMLTextAreaElement): boolean => at.value !== null && area.selectionStart === at.value.place.begin && area.selectionEnd === at.value.place.end

  function shift(by: number): boolean {
    line.value = (line.value + by + choices.value.length) % choices.value.length
    return true
  }

  function choose(index: number, onward: boolean): boolean {
    line.value = index
    if (onward && at.value) step(false, at.value.section, at.value.place.end)
    else pick(choices.value[index]!)
    return true
  }

  function leave(area: HTMLTextAreaElement): boolean {
    const end = at.value!.place.end
    at.value = null
    area.setSelectionRange(end, end)
    return true
  }

  function expandAt(section: Section, area: HTMLTextAreaElement): boolean {
    const found = area.selectionStart === area.selectionEnd ? shortCode(area.value, area.selectionStart) : null
    const phrase = found && byCode(phrases(), found.code)
    if (!found || !phrase) return false
    replaceIn(area, found.begin, area.selectionStart, '')
    expand(section, phrase)
    return true
  }

  /** The caret went elsewhere: the place is not being filled any more. */
  function onSelect(section: Section): void {
    const area = areas()[section]
    if (!at.value || !area || document.activeElement !== area) return
    if (at.value.section !== section || area.selectionStart < at.value.place.begin || area.selectionEnd > at.value.place.end) at.value = null
  }

  async function toFirst(fresh: At[]): Promise<void> {
    await nextTick()
    const [first] = fresh.length ? fresh : open()
    if (first) go(first)
  }

  return reactive({ at, slot, said, choices, odd, line, open, pick, leaveEmpty, insert, onKey, onSelect, go, toFirst })
}
