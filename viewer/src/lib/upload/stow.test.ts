import { describe, expect, it } from 'vitest'
import type { Item } from './sorting'
import { batches, readOutcome } from './stow'

function item(uid: string, size = 10, patient = 'A', study = '1'): Item {
  const header = { sopClassUid: '1', sopInstanceUid: uid, studyInstanceUid: study, patientId: patient, patientName: patient, sex: 'F', birthDate: '', studyDate: '', modality: 'CT', description: '' }
  return { file: { size } as File, path: `${uid}.dcm`, header }
}

describe('requests', () => {
  it('carry few bytes and few files, a large file goes alone', () => {
    const sizes = batches([item('1', 6 << 20), item('2', 6 << 20), item('3', 900 << 20), item('4')]).map((one) => one.length)
    expect(sizes).toEqual([1, 1, 1, 1])
    expect(batches(Array.from({ length: 130 }, (_, n) => item(String(n)))).map((one) => one.length)).toEqual([64, 64, 2])
  })

  it('never carry one SOP instance twice', () => {
    expect(batches([item('1'), item('1'), item('2')]).map((one) => one.length)).toEqual([1, 2])
  })
})

describe('the answer', () => {
  it('says which file was stored and why another was not', () => {
    const [good, bad, nameless] = [item('1.1'), item('1.2'), item('')]
    const text = JSON.stringify({
      '00081199': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.1'] } }] },
      '00081198': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.2'] }, '00081197': { vr: 'US', Value: [43264] } }] },
      '0008119A': { vr: 'SQ', Value: [{ '00081197': { vr: 'US', Value: [272] } }] },
    })
    expect(readOutcome([good, bad, nameless], text)).toEqual({
      accepted: [{ item: good }],
      refused: [{ item: bad, code: 'A900', detail: '' }, { item: nameless, code: '0110', detail: '' }],
    })
  })

  it('is no answer when it is no JSON', () => {
    expect(readOutcome([item('1')], '<html>')).toBeNull()
  })
})
