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
