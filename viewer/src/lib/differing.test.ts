import { describe, expect, it } from 'vitest'
import { differences, undone, type Said } from './differing'

const said = (lines: Record<string, string[]>): Said[] => Object.entries(lines).map(([label, own]) => ({ label, lines: own }))

describe('what differs', () => {
  it('is found by what a part is called, wherever it stands', () => {
    const before = said({ a: ['1'], b: ['2'], gone: ['3'] })
    const after = said({ b: ['2'], a: ['1', '4'], come: ['5'] })
    expect(differences(before, after)).toEqual([{ label: 'a', gone: [], come: ['4'] }, { label: 'come', gone: [], come: ['5'] }, { label: 'gone', gone: ['3'], come: [] }])
  })
})

describe('what going live would undo', () => {
  const begun = said({ words: ['气胸', '旧词'], minutes: ['30'] })
  const live = said({ words: ['气胸', '夹层'], minutes: ['30'] })

  it('is what the live version brought and took away, not what the draft itself changes', () => {
    const draft = said({ words: ['气胸', '旧词', '我的词'], minutes: ['20'] })
    expect(undone(begun, live, draft)).toEqual([{ label: 'words', gone: ['夹层'], come: ['旧词'] }])
  })

  it('is nothing where the draft has it too', () => expect(undone(begun, live, said({ words: ['气胸', '夹层'], minutes: ['10'] }))).toEqual([]))

  it('is all that differs where nobody knows from what it was begun', () => expect(undone(null, live, begun)).toEqual([{ label: 'words', gone: ['夹层'], come: ['旧词'] }]))
})
