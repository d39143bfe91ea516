/** Finding items of the dictionary by what people type: code, abbreviation, name, pinyin initials, LOINC. */
import type { LabItem } from '@/api/labHeld'

export function findItems(items: readonly LabItem[], typed: string, most = 60): LabItem[] {
  const q = typed.trim().toLowerCase()
  if (!q) return items.slice(0, most)
  const rank = (one: LabItem): number => {
    const words = [one.code, one.abbreviation].map((word) => word.toLowerCase())
    if (words.includes(q)) return 0
    if (words.some((word) => word.startsWith(q)) || one.initials.startsWith(q)) return 1
    if (one.name.includes(q) || one.name_en.toLowerCase().includes(q)) return 2
    return one.initials.includes(q) || one.loinc.startsWith(q) ? 3 : 9
  }
  return items
    .map((one) => ({ one, rank: rank(one) }))
    .filter(({ rank }) => rank < 9)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map(({ one }) => one)
}

/** Items that are called as an analyser calls its test, the likeliest first: proposals, for a person to take. */
export function suggestItems(items: readonly LabItem[], names: readonly (string | undefined)[], most = 3): LabItem[] {
  const said = names.map((one) => (one ?? '').trim().toLowerCase()).filter(Boolean)
  const exact = (one: LabItem) => [one.code, one.abbreviation, one.name, one.name_en, one.loinc].some((word) => word && said.includes(word.toLowerCase()))
  const partly = (one: LabItem) => said.some((name) => name.length > 1 && /[^\x00-\x7f]/.test(name) && one.name.includes(name))
  return [...items.filter(exact), ...items.filter((one) => !exact(one) && partly(one))].slice(0, most)
}
