/** Which normal report fits an examination: the one whose name or code says the body part; none rather than a wrong one. */
import type { Phrase, WorklistItem } from '@/api/types'

type About = Pick<WorklistItem, 'body_part' | 'description'>

/** Words of a name (`胸部正位 正常`) or a code (`dr-chest-normal`). */
function wordsIn(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length > 1 && word !== 'normal' && word !== '正常')
}

export function normalPhrase(phrases: Phrase[], about: About): Phrase | null {
  const normal = phrases.filter((phrase) => phrase.normal)
  const part = about.body_part?.toLowerCase()
  const text = `${about.body_part ?? ''} ${about.description ?? ''}`.toLowerCase()
  const says = (phrase: Phrase) => part !== undefined && part !== '' && `${phrase.code} ${phrase.name}`.toLowerCase().includes(part)
  const fits = (phrase: Phrase) => wordsIn(`${phrase.code} ${phrase.name}`).some((word) => word.length > 2 && text.includes(word))
  const short = (phrase: Phrase) => wordsIn(phrase.name).some((word) => text.includes(word))
  for (const test of [says, fits, short]) {
    const found = normal.find(test)
    if (found) return found
  }
  return null
}

export function appended(text: string, more: string): string {
  return [text.trimEnd(), more].filter(Boolean).join('\n')
}
