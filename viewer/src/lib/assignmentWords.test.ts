import { describe, expect, it } from 'vitest'
import { inWords } from './assignmentWords'
import { differences } from './differing'

const NAMES = new Map([['c-2', '二院影像中心']])
const route = { kind: 'imaging' as const, modalities: ['CT'], body_parts: [], institutions: [], words: [], centre: 'lead', subspecialty: '胸部' }

describe('a rule book in words', () => {
  it('says where things go', () => {
    const [routes] = inWords({ routes: [route, { ...route, modalities: [], centre: 'c-2', subspecialty: '' }], overflows: [] }, NAMES)
    expect(routes!.lines).toEqual(['1. 影像 · CT → 牵头医院同类中心 · 胸部', '2. 影像 · 不限 → 二院影像中心'])
  })

  it('names only what differs', () => {
    const before = inWords({ routes: [route], overflows: [] }, NAMES)
    const after = inWords({ routes: [{ ...route, centre: 'c-2' }], overflows: [] }, NAMES)
    expect(differences(before, after)).toEqual([{ label: '去向', gone: before[0]!.lines, come: after[0]!.lines }])
    expect(differences(before, before)).toEqual([])
  })
})
