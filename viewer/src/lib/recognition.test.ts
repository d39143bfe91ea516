import { describe, expect, it } from 'vitest'
import type { MatchGroup, Reason } from '@/api/recognition'
import { birthOf, decisionsOf, isWhole, sexOf, undecided, type Answer } from './recognition'

const reasons = [{ code: '1', note_required: false }, { code: '6', note_required: true }] as Reason[]
const answer = (fields: Partial<Answer>): Answer => ({ decision: null, reason_code: '', note: '', told_patient: false, ...fields })
const group = { matches: [{ id: 'a', outcome: 'reminder' }, { id: 'b', outcome: 'reference' }, { id: null, outcome: 'none' }] } as MatchGroup

describe('recognition at the order', () => {
  it('reads a card while it is typed', () => {
    expect([birthOf('11010519491231002X'), sexOf('11010519491231002X')]).toEqual(['1949-12-31', 'F'])
    expect([birthOf('1101051949'), sexOf('')]).toEqual(['', ''])
  })

  it('needs a reason to decline, and a note where the reason asks for one', () => {
    expect(isWhole(answer({ decision: 'adopted' }), reasons)).toBe(true)
    expect(isWhole(answer({ decision: 'declined' }), reasons)).toBe(false)
    expect(isWhole(answer({ decision: 'declined', reason_code: '1' }), reasons)).toBe(true)
    expect(isWhole(answer({ decision: 'declined', reason_code: '6', note: ' ' }), reasons)).toBe(false)
  })

  it('waits for every reminder, and for a reference only once it was begun', () => {
    expect(undecided(group, { a: answer({}), b: answer({}) }, reasons)).toBe(1)
    expect(undecided(group, { a: answer({ decision: 'adopted' }), b: answer({ decision: 'declined' }) }, reasons)).toBe(1)
    expect(undecided(group, { a: answer({ decision: 'adopted' }), b: answer({}) }, reasons)).toBe(0)
  })

  it('sends no reason with what is adopted', () => {
    const answers = { a: answer({ decision: 'adopted', reason_code: '1', note: 'x', told_patient: true }), b: answer({}) }
    expect(decisionsOf(group, answers)).toEqual([{ match_id: 'a', decision: 'adopted', reason_code: null, note: '', told_patient: false }])
  })
})
