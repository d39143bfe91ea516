import { describe, expect, it } from 'vitest'
import { beginsAsEcg, ecgParcels } from './ecg'
import type { Found } from './files'
import { sort } from './sorting'

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))
const found = (path: string, content = 'x'): Found => ({ path, file: new File([content], path.split('/').at(-1)!) })
const HEADER = '# a record\nrec 2 500 1000\nrec.dat 16 200 16 0 0 0 0 I\n'

describe('a file of an ECG cart', () => {
  it.each([
    ['a.bin', `${' '.repeat(16)}SCPECG`],
    ['a.dat', 'ISHNE1.0....'],
    ['a.edf', '0       王五'],
    ['a.xml', '<?xml version="1.0"?>\n<AnnotatedECG xmlns="urn:hl7-org:v3">'],
    ['a.xml', '<!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>'],
    ['a.xml', '<restingecgdata xmlns="http://www3.medical.philips.com">'],
    ['a.xml', [...'<RestingECG>'].join('\0')],
    ['a.hea', HEADER],
    ['a.hea', 'rec/3 2 360 650000\r\n'],
  ])('is known by how it begins: %s', (path, text) => expect(beginsAsEcg(path, bytes(text))).toBe(true))

  it.each([
    ['a.xml', '<ClinicalDocument>'],
    ['a.hea', 'hello'],
    ['a.dat', 'anything'],
    ['a.pdf', '%PDF-1.7'],
    ['AUTORUN.INF', '[autorun]'],
  ])('is not taken for one: %s', (path, text) => expect(beginsAsEcg(path, bytes(text))).toBe(false))
})

describe('a pile with ECG files', () => {
  it('has them apart, signals with their header, and what may be anything still needs a tick', async () => {
    const pile = [found('d/rec.hea', HEADER), found('d/rec.dat'), found('d/other.dat'), found('d/a.xml', '<AnnotatedECG>'), found('d/b.pdf', '%PDF')]
    const sorted = await sort(pile, () => undefined, new AbortController().signal)
    expect(sorted.ecgs.map((one) => one.path)).toEqual(['d/rec.hea', 'd/rec.dat', 'd/a.xml'])
    expect(sorted.others.map((one) => one.path)).toEqual(['d/other.dat', 'd/b.pdf'])
  })
})

describe('requests with ECG files', () => {
  const names = (files: readonly Found[], pain = false) => ecgParcels(files, pain).map((one) => one.files.map((file) => file.path))

  it('keep a record together and have no name twice', () => {
    const files = [found('a/rec.hea'), found('x.xml'), found('a/rec.dat'), found('b/rec.hea'), found('b/rec.dat')]
    expect(names(files)).toEqual([['a/rec.hea', 'a/rec.dat', 'x.xml'], ['b/rec.hea', 'b/rec.dat']])
    expect(names(Array.from({ length: 100 }, (_, n) => found(`${n}.xml`))).map((one) => one.length)).toEqual([40, 40, 20])
  })

  it('say what they are, and chest pain where it was said', () => {
    const form = (pain: boolean) => [...(ecgParcels([found('a.xml')], pain)[0]!.body() as FormData).entries()].map(([name, value]) => [name, typeof value === 'string' ? value : ''])
    expect(form(true)).toEqual([['kind', 'ecg'], ['priority', 'chest_pain'], ['files', '']])
    expect(form(false)).toEqual([['kind', 'ecg'], ['files', '']])
  })
})
