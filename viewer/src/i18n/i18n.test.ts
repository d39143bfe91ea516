import { describe, expect, it } from 'vitest'
import { en } from './en'
import { zh } from './zh'

function leaves(value: object, path = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, child]) =>
    typeof child === 'string' ? [[path + key, child] as [string, string]] : leaves(child as object, `${path}${key}.`),
  )
}

describe('messages', () => {
  const chinese = new Map(leaves(zh))
  const english = new Map(leaves(en))

  it('exist in both languages', () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort())
  })

  it('have full-width punctuation beside Chinese characters', () => {
    const mixed = /[\u4e00-\u9fff}”][,:;?!](?!\d)|[,:;?!][\u4e00-\u9fff]|[\u4e00-\u9fff}]\([^)]*\)/
    expect([...chinese.values()].filter((text) => mixed.test(text))).toEqual([])
  })

  it('take the same placeholders in both languages', () => {
    const holders = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()
    for (const [key, text] of chinese) expect([key, holders(english.get(key) ?? '')]).toEqual([key, holders(text)])
  })
})
