import { describe, expect, it } from 'vitest'
import { groupByPatient, type Item, sort } from './sorting'

function item(uid: string, size = 10, patient = 'A', study = '1'): Item {
  const header = { sopClassUid: '1', sopInstanceUid: uid, studyInstanceUid: study, patientId: patient, patientName: patient, sex: 'F', birthDate: '', studyDate: '', modality: 'CT', description: '' }
  return { file: { size } as File, path: `${uid}.dcm`, header }
}

describe('files', () => {
  it('are told apart: what is no DICOM file is left out with its reason', async () => {
    const found = [new File(['hello'.repeat(50)], 'readme.txt'), new File([], 'empty.dcm')].map((file) => ({ file, path: file.name }))
    const { items, skipped } = await sort(found, () => {}, new AbortController().signal)
    expect(items).toEqual([])
    expect(skipped).toEqual([{ path: 'readme.txt', reason: 'notDicom' }, { path: 'empty.dcm', reason: 'empty' }])
  })

  it('that may be an examination by their name are set apart, and sent by nobody but a person', async () => {
    const found = ['disc/AUTORUN.INF', 'disc/viewer.exe', '心电图.PDF', 'a/rec.hea', 'a/rec.dat', '单子.jpg'].map((path) => ({ file: new File(['x'.repeat(200)], path.split('/').at(-1)!), path }))
    const { items, others, skipped } = await sort(found, () => {}, new AbortController().signal)
    expect(items).toEqual([])
    expect(others.map((one) => one.path)).toEqual(['心电图.PDF', 'a/rec.hea', 'a/rec.dat', '单子.jpg'])
    expect(skipped.map((one) => [one.path, one.reason])).toEqual([['disc/AUTORUN.INF', 'notDicom'], ['disc/viewer.exe', 'notDicom']])
  })

  it('are grouped by patient and study', () => {
    const groups = groupByPatient([item('1'), item('2', 10, 'B', '2'), item('3', 10, 'A', '3')])
    expect(groups.map((one) => [one.name, one.files, one.studies.length])).toEqual([['A', 2, 2], ['B', 1, 1]])
  })
})
