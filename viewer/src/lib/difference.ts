/** What is other in a text: pieces that both have, or what stands in the place of what. As the server shows it, but live. */
import type { Change } from '@/api/checking'

/** A word of a script that has blanks, or one sign of one that has none. */
const PIECE = /[A-Za-z0-9.]+|\s+|[^]/gu
const MOST = 3_000_000 // cells of the table: two texts of some 1,700 pieces; longer ones are shown side by side

export function difference(before: string, after: string): Change[] {
  const left = before.match(PIECE) ?? []
  const right = after.match(PIECE) ?? []
  let head = 0
  while (head < left.length && head < right.length && left[head] === right[head]) head += 1
  let tail = 0
  while (tail < left.length - head && tail < right.length - head && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail += 1
  const middle = changed(left.slice(head, left.length - tail), right.slice(head, right.length - tail))
  const same = (pieces: string[]): Change[] => (pieces.length ? [{ before: pieces.join(''), after: pieces.join('') }] : [])
  return [...same(left.slice(0, head)), ...middle, ...same(tail ? left.slice(-tail) : [])]
}

/** By the longest common subsequence. */
function changed(left: string[], right: string[]): Change[] {
  if (!left.length && !right.length) return []
  if (!left.length || !right.length || left.length * right.length > MOST) return [{ before: left.join(''), after: right.join('') }]
  const width = right.length + 1
  const longest = new Uint16Array((left.length + 1) * width)
  const at = (i: number, j: number): number => longest[i * width + j]!
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) longest[i * width + j] = left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  }
  const found: Change[] = []
  const put = (gone: string, come: string): void => {
    const last = found[found.length - 1]
    const same = gone !== '' && gone === come
    const lastSame = last !== undefined && last.before === last.after
    if (last && same === lastSame) {
      last.before += gone
      last.after += come
    } else found.push({ before: gone, after: come })
  }
  let i = 0
  let j = 0
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) put(left[i++]!, right[j++]!)
    else if (j < right.length && (i === left.length || at(i, j + 1) >= at(i + 1, j))) put('', right[j++]!)
    else put(left[i++]!, '')
  }
  return found
}

export const isChanged = (changes: readonly Change[]): boolean => changes.some((one) => one.before !== one.after)
