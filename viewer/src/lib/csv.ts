/** Comma-separated values (RFC 4180) as spreadsheets on office computers read and write them. */

const FORMULA = /^[=+\-@\t\r]/
const NUMBER = /^-?\d+(\.\d+)?$/

/** With a byte order mark, so that a spreadsheet takes it for UTF-8; text that it would run as a formula gets an apostrophe. */
export function writeCsv(lines: readonly (readonly string[])[]): string {
  return '\uFEFF' + lines.map((line) => line.map(writeCell).join(',')).join('\r\n') + '\r\n'
}

function writeCell(text: string): string {
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** Lines of cells; empty lines are left out. Throws when a quote is not closed. */
export function readCsv(text: string): string[][] {
  const source = text.replace(/^\uFEFF/, '')
  const comma = separatorOf(source)
  const lines: string[][] = []
  let line: string[] = []
  let place = 0
  while (place < source.length) {
    const cell = source[place] === '"' ? quoted(source, place) : plain(source, place, comma)
    line.push(cell.text.replace(/^'(?=[=+\-@\t\r])/, ''))
    place = cell.end
    if (place < source.length && ![comma, '\r', '\n'].includes(source[place]!)) throw new CsvBroken('text after a closing quote')
    if (source[place] === comma) {
      place += 1
      if (place < source.length) continue
      line.push('')
    }
    place = afterNewline(source, place)
    if (line.some((one) => one !== '')) lines.push(line)
    line = []
  }
  return lines
}

export class CsvBroken extends Error {}

function separatorOf(source: string): string {
  const first = source.split(/\r|\n/, 1)[0] ?? ''
  return [',', ';', '\t'].reduce((best, one) => (first.split(one).length > first.split(best).length ? one : best))
}

function plain(source: string, from: number, comma: string): { text: string; end: number } {
  let end = from
  while (end < source.length && source[end] !== comma && source[end] !== '\r' && source[end] !== '\n') end += 1
  return { text: source.slice(from, end).trim(), end }
}

function quoted(source: string, from: number): { text: string; end: number } {
  let text = ''
  let place = from + 1
  for (;;) {
    const quote = source.indexOf('"', place)
    if (quote < 0) throw new CsvBroken('a quote is not closed')
    text += source.slice(place, quote)
    if (source[quote + 1] !== '"') return { text, end: quote + 1 }
    text += '"'
    place = quote + 2
  }
}

function afterNewline(source: string, place: number): number {
  if (source[place] === '\r') place += 1
  return source[place] === '\n' ? place + 1 : place
}

/** A spreadsheet in a Chinese office saves GB18030 unless told otherwise. */
export function decodeText(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('gb18030').decode(bytes)
  }
}

export const saveText = (name: string, text: string, type = 'text/csv;charset=utf-8'): void => saveBlob(name, new Blob([text], { type }))

export function saveBlob(name: string, content: Blob): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
