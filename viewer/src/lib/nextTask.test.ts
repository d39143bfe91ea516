import { describe, expect, it } from 'vitest'
import type { WorklistItem } from '@/api/types'
import { nextTask } from './nextTask'

const ME = { id: 'me', name: '我' }
const OTHER = { id: 'other', name: '王' }
const row = (task_id: string, said: Partial<WorklistItem> = {}): WorklistItem => ({ task_id, state: 'waiting', waiting_reason: '', reserved: false, assigned_to: null, claimed_by: null, ...said }) as WorklistItem
const next = (listed: WorklistItem[], reviewing = false, gone: string[] = []) => nextTask(listed, new Set(gone), ME.id, { task: 'done', reviewing })?.task_id

describe('the next task', () => {
  it('is the first that waits, and never the one that is done or left the list', () => {
    expect(next([row('done'), row('left'), row('next'), row('later')], false, ['left'])).toBe('next')
  })

  it('is nothing that waits for its centre, is kept for somebody else, or somebody has', () => {
    const others = [row('held', { waiting_reason: 'no_centre' }), row('kept', { reserved: true, assigned_to: OTHER }), row('taken', { state: 'claimed', claimed_by: OTHER })]
    expect(next([...others, row('mine', { state: 'claimed', claimed_by: ME })])).toBe('mine')
    expect(next(others)).toBeUndefined()
  })

  it('is after a review the next to review that another wrote', () => {
    const own = row('own', { state: 'submitted', claimed_by: ME })
    expect(next([row('waits'), own, row('theirs', { state: 'submitted', claimed_by: OTHER })], true)).toBe('theirs')
    expect(next([own], true)).toBeUndefined()
  })
})
