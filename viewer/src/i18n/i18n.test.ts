import { describe, expect, it } from 'vitest'
import { createI18n } from 'vue-i18n'
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

  it('count in English as people do', () => {
    const { t } = createI18n({ legacy: false, locale: 'en', messages: { en } }).global
    const said = [0, 1, 2].map((n) => t('upload.images', { n }))
    expect(said).toEqual(['0 images', '1 image', '2 images'])
    expect(t('township.imagesOf', { n: '1/5', count: 5 })).toBe('1/5 images')
    expect(t('township.imagesOf', { n: '1', count: 1 })).toBe('1 image')
  })

  it('take the same placeholders in both languages', () => {
    const holders = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()
    for (const [key, text] of chinese) {
      for (const form of (english.get(key) ?? '').split(' | ')) expect([key, holders(form)]).toEqual([key, holders(text)])
    }
  })
})
