import { describe, expect, it } from 'vitest'
import { Problem } from '@/api/client'
import { ownChanges } from './ownChanges'

interface Thing {
  revision: string
  name: string
  address: string
  kinds: string[]
}

const begun: Thing = { revision: '1', name: '甲', address: '10.0.0.1', kinds: ['ecg'] }

/** A server with one thing that answers an older revision with what there is. */
function server(thing: Thing) {
  const sent: Record<string, unknown>[] = []
  const send = async (changes: Record<string, unknown>, revision: string): Promise<Thing> => {
    if (revision !== thing.revision) throw new Problem(412, 'changed_since', '', '', '', { current: { ...thing } })
    sent.push(changes)
    Object.assign(thing, changes, { revision: `${Number(thing.revision) + 1}` })
    return { ...thing }
  }
  return { thing, sent, send }
}

describe('what a person changed in a form', () => {
  it('is all that is sent', async () => {
    const { sent, send } = server({ ...begun })
    await ownChanges(begun)({ name: '乙', address: '10.0.0.1', kinds: ['ecg'] }, send)
    expect(sent).toEqual([{ name: '乙' }])
  })

  it('goes beside what somebody else changed', async () => {
    const { thing, send } = server({ ...begun, revision: '2', address: '10.0.0.9' })
    await ownChanges(begun)({ name: '乙', address: '10.0.0.1', kinds: ['ecg'] }, send)
    expect([thing.name, thing.address]).toEqual(['乙', '10.0.0.9'])
  })

  it('does not go over a field that somebody else changed, until it is sent once more', async () => {
    const { thing, send } = server({ ...begun, revision: '2', name: '丙' })
    const save = ownChanges(begun)
    await expect(save({ name: '乙' }, send)).rejects.toThrow()
    expect(thing.name).toBe('丙')
    await save({ name: '乙' }, send)
    expect(thing.name).toBe('乙')
  })
})
