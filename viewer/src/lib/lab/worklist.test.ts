import { describe, expect, it } from 'vitest'
import type { LabCounts } from '@/api/lab'
import type { State, WorklistItem } from '@/api/types'
import { chipsOf, isClean } from './worklist'

const counts = (part: Partial<LabCounts> = {}): LabCounts => ({ ordered: 8, resulted: 8, waiting: 0, abnormal: 0, critical: 0, held: 0, rerun: 0, ...part })
const row = (lab: LabCounts | null, state: State = 'waiting', holder: string | null = null) => ({ lab, state, claimed_by: holder ? { id: holder, name: '' } : null }) as WorklistItem

describe('a specimen on the worklist', () => {
  it('says what is critical first, and nothing of what there is none of', () => {
    expect(chipsOf(counts({ abnormal: 4, critical: 1, waiting: 2 })).map((chip) => [chip.key, chip.n])).toEqual([['critical', 1], ['waiting', 2], ['abnormal', 4]])
    expect(chipsOf(counts())).toEqual([])
    expect(chipsOf(null)).toEqual([])
  })

  it('may be signed with others when all is there and nothing waits, is critical, held or tested again', () => {
    expect(isClean(row(counts({ abnormal: 3 })), 'me')).toBe(true)
    for (const part of [{ waiting: 1 }, { critical: 1 }, { held: 1 }, { rerun: 1 }, { resulted: 7 }, { ordered: 0, resulted: 0 }]) expect(isClean(row(counts(part)), 'me')).toBe(false)
    expect(isClean(row(null), 'me')).toBe(false)
  })

  it('is not taken out of the hands of who reads it, nor reviewed by who wrote it', () => {
    expect(isClean(row(counts(), 'claimed', 'me'), 'me')).toBe(true)
    expect(isClean(row(counts(), 'claimed', 'other'), 'me')).toBe(false)
    expect(isClean(row(counts(), 'submitted', 'me'), 'me')).toBe(false)
    expect(isClean(row(counts(), 'signed'), 'me')).toBe(false)
  })
})
