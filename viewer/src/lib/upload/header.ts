/**
 * What the beginning of a DICOM file says of itself: enough to show whose images are about to be sent.
 *
 * Reads explicit and implicit VR little endian and explicit VR big endian (PS3.5 7.1); of a deflated data set only the
 * file meta information. Nothing here refuses a file that begins as one (PS3.10 7.1): that is the gateway's to do.
 */

export const HEAD_BYTES = 1 << 16
export const DICOMDIR = '1.2.840.10008.1.3.10'

export interface Header {
  sopClassUid: string
  sopInstanceUid: string
  studyInstanceUid: string
  patientId: string
  patientName: string
  sex: string
  birthDate: string
  studyDate: string
  modality: string
  description: string
}

type Values = Map<number, Uint8Array>
interface Encoding {
  little: boolean
  implicit: boolean
}

const IMPLICIT = '1.2.840.10008.1.2'
const BIG_ENDIAN = '1.2.840.10008.1.2.2'
const DEFLATED = new Set(['1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.4.95', '1.2.840.10008.1.2.4.205'])
const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'])
const UNDEFINED = 0xffffffff
const LAST_WANTED = 0x0020000d
const [ITEM_END, SEQUENCE_END] = [0xfffee00d, 0xfffee0dd]

/** Null for what is no DICOM file. */
export function readHeader(head: Uint8Array): Header | null {
  if (head.length < 132 || latin1(head.subarray(128, 132)) !== 'DICM') return null
  const values: Values = new Map()
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const begin = walk(view, 132, { little: true, implicit: false }, values, (tag) => tag >>> 16 !== 2)
  const syntax = uid(values, 0x00020010)
  if (!DEFLATED.has(syntax)) walk(view, begin, { little: syntax !== BIG_ENDIAN, implicit: syntax === IMPLICIT }, values, (tag) => tag > LAST_WANTED)
  const text = (tag: number) => decode(values.get(tag), latin1(values.get(0x00080005)))
  return {
    sopClassUid: uid(values, 0x00080016) || uid(values, 0x00020002),
    sopInstanceUid: uid(values, 0x00080018) || uid(values, 0x00020003),
    studyInstanceUid: uid(values, 0x0020000d),
    patientId: text(0x00100020),
    patientName: nameText(text(0x00100010)),
    sex: latin1(values.get(0x00100040)).trim(),
    birthDate: dateOf(values, 0x00100030),
    studyDate: dateOf(values, 0x00080020),
    modality: latin1(values.get(0x00080060)).trim(),
    description: text(0x00081030),
  }
}

/** Collects values until the walk is over or the bytes end; where it stopped. */
function walk(view: DataView, begin: number, encoding: Encoding, values: Values, over: (tag: number) => boolean): number {
  let place = begin
  while (place + 8 <= view.byteLength) {
    const element = readElement(view, place, encoding)
    if (element === null || over(element.tag)) return place
    if (element.length === UNDEFINED) {
      const after = skipSequence(view, element.value, element.vr === 'UN' ? { little: true, implicit: true } : encoding)
      if (after === null) return place
      place = after
      continue
    }
    if (element.value + element.length > view.byteLength) return place
    if (element.length > 0 && element.length <= 1024) values.set(element.tag, new Uint8Array(view.buffer, view.byteOffset + element.value, element.length))
    place = element.value + element.length
  }
  return place
}

interface Element {
  tag: number
  vr: string
  length: number
  value: number
}

function readElement(view: DataView, place: number, { little, implicit }: Encoding): Element | null {
  if (place + 8 > view.byteLength) return null
  const tag = ((view.getUint16(place, little) << 16) | view.getUint16(place + 2, little)) >>> 0
  if (implicit || tag >>> 16 === 0xfffe) return { tag, vr: '', length: view.getUint32(place + 4, little), value: place + 8 }
  const vr = String.fromCharCode(view.getUint8(place + 4), view.getUint8(place + 5))
  if (!LONG.has(vr)) return { tag, vr, length: view.getUint16(place + 6, little), value: place + 8 }
  if (place + 12 > view.byteLength) return null
  return { tag, vr, length: view.getUint32(place + 8, little), value: place + 12 }
}

/** Where a sequence of undefined length ends; null when that has not been read. */
function skipSequence(view: DataView, begin: number, encoding: Encoding): number | null {
  let place = begin
  let depth = 1 // of sequences and items that are open
  while (depth > 0) {
    const element = readElement(view, place, encoding)
    if (element === null) return null
    place = element.value
    if (element.tag === SEQUENCE_END || element.tag === ITEM_END) depth -= 1
    else if (element.length === UNDEFINED) depth += 1
    else place += element.length
  }
  return place
}

function latin1(bytes: Uint8Array | undefined): string {
  return bytes ? String.fromCharCode(...bytes) : ''
}

function uid(values: Values, tag: number): string {
  return latin1(values.get(tag)).replace(/[\0 ]+$/, '')
}

/** `2026-11-20`; empty for what is no date. */
function dateOf(values: Values, tag: number): string {
  const [, year, month, day] = /^(\d{4})\.?(\d\d)\.?(\d\d)/.exec(latin1(values.get(tag))) ?? []
  return year ? `${year}-${month}-${day}` : ''
}

/** Text in the character sets that devices here use (PS3.3 C.12.1.1.2); undeclared bytes are tried as UTF-8 and GB18030. */
export function decode(bytes: Uint8Array | undefined, declared: string): string {
  if (!bytes) return ''
  const plain = bytes.filter((_, place) => !inEscape(bytes, place))
  for (const label of labels(declared)) {
    try {
      return new TextDecoder(label, { fatal: true }).decode(plain).replace(/[\0 ]+$/, '').trimStart()
    } catch {
      continue
    }
  }
  return new TextDecoder('gb18030').decode(plain).trim()
}

function labels(declared: string): string[] {
  if (/ISO_IR 192/.test(declared)) return ['utf-8', 'gb18030']
  if (/GB18030|GBK|IR 58/.test(declared)) return ['gb18030', 'utf-8']
  if (/IR 149/.test(declared)) return ['euc-kr']
  if (/IR (13|87|159)/.test(declared)) return ['shift_jis']
  if (/IR 100/.test(declared)) return ['utf-8', 'windows-1252']
  return ['utf-8', 'gb18030', 'windows-1252']
}

/** ESC, intermediate bytes, final byte (ISO/IEC 2022): at most four bytes that are no text. */
function inEscape(bytes: Uint8Array, place: number): boolean {
  for (let start = Math.max(0, place - 3); start <= place; start += 1) {
    if (bytes[start] !== 0x1b) continue
    let end = start + 1
    while (end < bytes.length && bytes[end]! >= 0x20 && bytes[end]! <= 0x2f) end += 1
    if (place <= end) return true
  }
  return false
}

/** The name as people here write it: the ideographic group where there is one. */
export function nameText(name: string): string {
  const [alphabetic = '', ideographic = ''] = name.split('=')
  if (ideographic) return ideographic.replaceAll('^', '').trim()
  return alphabetic.split('^').filter(Boolean).join(' ').trim()
}
