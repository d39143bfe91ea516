/** What the desk knows of specimens: which tubes an order needs, how it is named, where its labels are. */
import { address } from '@/api/client'
import type { Item, Named, Panel, Specimen, SpecimenState } from '@/api/specimens'
import { language } from '@/i18n'

export interface Tube {
  kind: string
  tube: string
  panels: Panel[]
  items: Item[]
}

/** One tube for each kind and colour, in the order chosen: the same that the server makes of it. */
export function planTubes(panels: readonly Panel[], items: readonly Item[]): Tube[] {
  const tubes: Tube[] = []
  const add = (tube: Tube): Tube => {
    tubes.push(tube)
    return tube
  }
  for (const panel of panels) {
    const tube = tubes.find((one) => one.kind === panel.specimen && one.tube === panel.tube) ?? add({ kind: panel.specimen, tube: panel.tube, panels: [], items: [] })
    tube.panels.push(panel)
  }
  for (const item of items) {
    if (tubes.some((one) => one.panels.some((panel) => panel.items.includes(item.code)))) continue
    const tube = tubes.find((one) => !item.specimen || one.kind === item.specimen) ?? add({ kind: item.specimen, tube: '', panels: [], items: [] })
    tube.items.push(item)
  }
  return tubes
}

export const isPanel = (one: Panel | Item): one is Panel => 'items' in one

export const nameOf = (one: Named): string => (language.value === 'en' && one.name_en) || one.name

export const testsOf = (specimen: Pick<Specimen, 'panels' | 'extra_items'>): string => [...specimen.panels, ...specimen.extra_items].map(nameOf).join(language.value === 'en' ? ', ' : '、')

/** Of what only begins alike, panels stand before single items. */
const SINGLE = 5
type Findable = Named & { initials: string; abbreviation?: string; items?: string[] }

/** What somebody typed may mean: a code or short name first, then initials, then a part of the name. */
export function findTests<T extends Findable>(typed: string, tests: readonly T[], most = 8): T[] {
  const text = typed.trim().toLowerCase()
  if (!text) return []
  const rank = (one: T): number => {
    const codes = [one.code, one.abbreviation ?? ''].map((code) => code.toLowerCase())
    if (codes.includes(text)) return 0
    if (one.initials.toLowerCase() === text) return 1
    if (one.initials.toLowerCase().startsWith(text) || codes.some((code) => code.startsWith(text))) return 2
    if (one.name.toLowerCase().startsWith(text)) return 3
    return one.name.includes(text) || one.name_en.toLowerCase().includes(text) || one.initials.toLowerCase().includes(text) ? 4 : 9
  }
  return tests
    .map((one, place) => ({ one, place, rank: rank(one) }))
    .filter((found) => found.rank < 9)
    .map((found) => ({ ...found, rank: found.rank > 0 && !found.one.items ? found.rank + SINGLE : found.rank }))
    .sort((a, b) => a.rank - b.rank || a.place - b.place)
    .slice(0, most)
    .map((found) => found.one)
}

const CAPS: [string, string][] = [
  ['紫', '#7b3fa0'],
  ['黄', '#d9a400'],
  ['橙', '#e07b1a'],
  ['红', '#c0392b'],
  ['蓝', '#2e7fd0'],
  ['绿', '#2f8f4e'],
  ['灰', '#8a8f98'],
  ['黑', '#2b2b2b'],
]

/** The colour of a cap, beside its word. */
export const capColour = (tube: string): string => CAPS.find(([word]) => tube.includes(word))?.[1] ?? '#b8c0cc'

const TONES: Record<SpecimenState, string> = { registered: 'wait', in_transit: 'mine', received: 'done', rejected: 'care', cancelled: 'wait' }
export const toneOf = (specimen: Pick<Specimen, 'state' | 'transport'>): string => (specimen.transport?.late ? 'care' : TONES[specimen.state])

export const labelsAddress = (ids: string[]): string => address('/lab/specimens/labels', { ids, language: language.value })
/** In a tab of its own, where the browser's own viewer prints; false when that was blocked. */
export const openLabels = (ids: string[]): boolean => window.open(labelsAddress(ids), '_blank') !== null
