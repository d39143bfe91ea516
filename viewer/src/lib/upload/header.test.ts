import { describe, expect, it } from 'vitest'
import { decode, nameText, readHeader } from './header'

interface Written {
  tag: number
  vr: string
  value: Uint8Array | string
}
const bytes = (value: Uint8Array | string) => (typeof value === 'string' ? new TextEncoder().encode(value) : value)

/** A file: explicit VR little endian, or implicit behind its meta information. */
function file(elements: Written[], { syntax = '1.2.840.10008.1.2.1', implicit = false } = {}): Uint8Array {
  const out: number[] = [...new Uint8Array(128), ...bytes('DICM')]
  const put = ({ tag, vr, value }: Written, bare: boolean) => {
    const raw = bytes(value)
    const length = raw.length
    out.push((tag >>> 16) & 255, tag >>> 24, tag & 255, (tag >>> 8) & 255)
    if (bare) out.push(length & 255, length >>> 8, 0, 0)
    else if (vr === 'SQ' || vr === 'OB') out.push(...bytes(vr), 0, 0, 255, 255, 255, 255)
    else out.push(...bytes(vr), length & 255, length >>> 8)
    out.push(...raw)
  }
  put({ tag: 0x00020003, vr: 'UI', value: '1.2.3\0' }, false)
  put({ tag: 0x00020010, vr: 'UI', value: syntax.padEnd(syntax.length + (syntax.length % 2), '\0') }, false)
  for (const element of elements) put(element, implicit)
  return new Uint8Array(out)
}

const ELEMENTS: Written[] = [
  { tag: 0x00080005, vr: 'CS', value: 'GB18030 ' },
  { tag: 0x00080018, vr: 'UI', value: '1.2.3\0' },
  { tag: 0x00080020, vr: 'DA', value: '20261120' },
  { tag: 0x00080060, vr: 'CS', value: 'CT' },
  { tag: 0x00100010, vr: 'PN', value: new Uint8Array([...bytes('Wang^Wu='), 0xcd, 0xf5, 0x5e, 0xce, 0xe5, 0x20]) },
  { tag: 0x00100020, vr: 'LO', value: 'A1' },
  { tag: 0x00100030, vr: 'DA', value: '19700101' },
  { tag: 0x0020000d, vr: 'UI', value: '1.2.9\0' },
]

describe('the header of a file', () => {
  it('says whose images they are', () => {
    expect(readHeader(file(ELEMENTS))).toMatchObject({
      sopInstanceUid: '1.2.3', studyInstanceUid: '1.2.9', patientName: '王五', patientId: 'A1', birthDate: '1970-01-01', studyDate: '2026-11-20', modality: 'CT',
    })
  })

  it('is read in implicit VR too', () => {
    expect(readHeader(file(ELEMENTS, { syntax: '1.2.840.10008.1.2', implicit: true }))).toMatchObject({ patientName: '王五', studyInstanceUid: '1.2.9' })
  })

  it('is found behind a sequence of undefined length', () => {
    const inner = [0xfe, 0xff, 0x00, 0xe0, 255, 255, 255, 255, 8, 0, 0x55, 0x11, ...bytes('UI'), 2, 0, ...bytes('1\0'), 0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]
    const sequence = { tag: 0x00081140, vr: 'SQ', value: new Uint8Array(inner) }
    const header = readHeader(file([...ELEMENTS.slice(0, 4), sequence, ...ELEMENTS.slice(4)]))
    expect(header).toMatchObject({ patientName: '王五', studyInstanceUid: '1.2.9' })
  })

  it('is null for what is no DICOM file, and never throws for a cut one', () => {
    expect(readHeader(bytes('hello'.repeat(100)))).toBeNull()
    const whole = file(ELEMENTS)
    for (let size = 0; size < whole.length; size += 1) {
      const header = readHeader(whole.slice(0, size))
      expect(header === null).toBe(size < 132)
    }
  })
})

describe('text', () => {
  it('is decoded as declared, and without a declaration as it makes sense', () => {
    const gbk = new Uint8Array([0xcd, 0xf5])
    expect(decode(gbk, 'ISO 2022 IR 6\\ISO 2022 IR 58')).toBe('王')
    expect(decode(new Uint8Array([0x1b, 0x24, 0x29, 0x41, ...gbk]), '\\ISO 2022 IR 58')).toBe('王')
    expect(decode(gbk, '')).toBe('王')
    expect(decode(bytes('王'), 'ISO_IR 192')).toBe('王')
    expect(decode(new Uint8Array([0xe9]), 'ISO_IR 100')).toBe('é')
  })

  it('gives a name as people write it', () => {
    expect(nameText('Qiu^Dehai=仇^德海')).toBe('仇德海')
    expect(nameText('Doe^John')).toBe('Doe John')
  })
})
