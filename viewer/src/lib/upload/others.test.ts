import { describe, expect, it } from 'vitest'
import type { Found } from './files'
import { otherParcel, readAnswer, rounds } from './others'

const found = (path: string): Found => ({ path, file: new File(['x'], path.split('/').at(-1)!) })

describe('other files', () => {
  it('go together, but two of one name apart', () => {
    const [hea, dat, same] = [found('a/rec.hea'), found('a/rec.dat'), found('b/rec.dat')]
    expect(rounds([hea, dat, same])).toEqual([[hea, dat], [same]])
    expect(rounds([])).toEqual([])
  })

  it('carry their kind, and an accession number only where one was typed', () => {
    const form = (accession: string) => otherParcel([found('a/ecg.pdf')], { kind: 'ecg', accession }).body() as FormData
    expect([...form(' 2026-77 ').entries()].map(([name, value]) => [name, value instanceof File ? value.name : value])).toEqual([['kind', 'ecg'], ['accession_number', '2026-77'], ['files', 'ecg.pdf']])
    expect(form('  ').has('accession_number')).toBe(false)
  })
})

describe('the answer about other files', () => {
  const [good, bad] = [found('a/ecg.scp'), found('b/notes.xml')]

  it('says which became an examination, and why another did not', () => {
    const text = JSON.stringify({ accepted: [{ name: 'ecg.scp', examination_id: 'e-1' }], refused: [{ name: 'notes.xml', reason: '不是心电文件。' }] })
    expect(readAnswer([good, bad], 201, text)).toEqual({
      accepted: [{ item: good, examinationId: 'e-1' }],
      refused: [{ item: bad, code: '', detail: '不是心电文件。' }],
    })
  })

  it('may refuse every one, each with its reason, also one whose name came back shorter', () => {
    const long = found(`${'心'.repeat(90)}.pdf`)
    const text = JSON.stringify({ code: 'nothing_accepted', accepted: [], refused: [{ name: `${'心'.repeat(60)}…`, reason: '文件名太长。' }, { name: 'ecg.scp', reason: '已损坏。' }] })
    expect(readAnswer([long, good], 422, text)?.refused.map((one) => one.detail)).toEqual(['文件名太长。', '已损坏。'])
  })

  it('may refuse the request: then every file was, for that reason', () => {
    const text = JSON.stringify({ code: 'kind_not_taken', title: '不支持', detail: '暂不支持上传此类检查（ecg）。' })
    expect(readAnswer([good, bad], 422, text)).toEqual({ accepted: [], refused: [good, bad].map((item) => ({ item, code: '', detail: '暂不支持上传此类检查（ecg）。' })) })
  })

  it('is none where it is no JSON, or about the caller', () => {
    expect(readAnswer([good], 201, '<html>')).toBeNull()
    expect(readAnswer([good], 403, '{"code": "not_allowed"}')).toBeNull()
  })
})
