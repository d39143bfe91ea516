import { describe, expect, it } from 'vitest'
import type { Prior } from '@/api/types'
import { abnormalText, comparable, conclusionOf, kindsOf, newestFirst, ofKind, step } from './priors'

function prior(id: string, part: Partial<Prior> = {}): Prior {
  const site = { id: 's', code: 'EAST', name: '东' }
  const patient = { name: '仇明', sex: null, birth_date: null, age: null, patient_id: 'P1' }
  return {
    examination_id: id, kind: 'imaging', modality: 'DX', body_part: '', description: '', studied_at: null, received_at: '2026-11-01T00:00:00Z', site, patient, linked: false, elsewhere: false,
    state: 'signed', study_instance_uid: '1.2', positive: null, critical: false, abnormal: [], abnormal_count: 0, documents: 0, report: null, ...part,
  } // prettier-ignore
}
const report = (impression: string) => ({ report_id: 'r', version: 1, impression, preliminary: false, signed_at: '2026-11-01T00:00:00Z', signed_by: { id: 'p', name: '王' } })
const low = { item_code: 'HGB', name: '血红蛋白', name_en: 'Haemoglobin', abbreviation: 'HGB', value: '98', unit: 'g/L', abnormal: 'L' as const, critical: false }

describe('the timeline', () => {
  const lines = [prior('a'), prior('b', { kind: 'laboratory', studied_at: '2026-11-03T07:30:00+08:00' }), prior('c', { studied_at: '2026-11-02T23:45:00Z' }), prior('d', { kind: 'ecg', studied_at: '2025-01-01T00:00:00Z' })]

  it('has the newest first, by the moment and not by how it is written, and by arrival where nobody said when', () => {
    expect(newestFirst(lines).map((one) => one.examination_id)).toEqual(['c', 'b', 'a', 'd'])
  })

  it('counts each kind that there is, and shows one of them', () => {
    expect(kindsOf(lines)).toEqual([{ kind: 'imaging', n: 2 }, { kind: 'ecg', n: 1 }, { kind: 'laboratory', n: 1 }])
    expect(ofKind(lines, 'imaging').map((one) => one.examination_id)).toEqual(['a', 'c'])
    expect(ofKind(lines, '')).toHaveLength(4)
  })

  it('is walked line by line and stays at its ends', () => {
    expect([step(lines, '', 1), step(lines, 'a', 1), step(lines, 'd', 1), step(lines, 'a', -1), step([], 'a', 1)]).toEqual(['a', 'b', 'd', 'a', ''])
  })
})

describe('a line', () => {
  it('says the abnormal items of a specimen with arrows, and how many more there are', () => {
    expect(abnormalText({ abnormal: [low], abnormal_count: 1 })).toBe('血红蛋白 ↓ 98 g/L')
    expect(abnormalText({ abnormal: [low], abnormal_count: 4 })).toBe('血红蛋白 ↓ 98 g/L；另 3 项')
  })

  it('says the impression in one line, or that there is no report', () => {
    expect(conclusionOf(prior('a', { report: report('1. 肺炎。\n2. 复查。') }))).toBe('1. 肺炎。 2. 复查。')
    expect(conclusionOf(prior('a'))).toBe('没有已签发的报告。')
    expect(conclusionOf(prior('a', { kind: 'laboratory', report: report('') }))).toBe('未见异常项目')
  })

  it('is compared only with what the same page shows', () => {
    expect([comparable(prior('a'), 'imaging'), comparable(prior('a', { kind: 'ecg' }), 'imaging'), comparable(prior('a', { kind: 'ecg' }), 'ecg'), comparable(prior('a'), 'laboratory'), comparable(prior('a', { study_instance_uid: null }), 'imaging')]).toEqual([true, false, true, false, false])
  })
})
