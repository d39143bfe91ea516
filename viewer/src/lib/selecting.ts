/** Shows a place of a text field: selected, and scrolled to. Characters as the server counts them. */
import { unitsOf } from './checks'

export function selectIn(field: HTMLTextAreaElement | undefined, begin: number, end: number): void {
  if (!field) return
  const [from, to] = unitsOf(field.value, begin, end)
  field.focus()
  field.setSelectionRange(from, to)
  // A field scrolls to its caret only when that moves by a key: by its share of the text it comes close enough.
  field.scrollTop = Math.max(0, (from / Math.max(field.value.length, 1)) * field.scrollHeight - field.clientHeight / 2)
}
