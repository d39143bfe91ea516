import { expect, it } from 'vitest'
import type { LabItem } from '@/api/labHeld'
import { findItems, suggestItems } from './find'

const item = (code: string, abbreviation: string, name: string, initials: string) => ({ code, abbreviation, name, initials, name_en: '', loinc: '' }) as LabItem
const items = [item('HGB', 'HGB', '血红蛋白', 'xhdb'), item('MCH', 'MCH', '平均红细胞血红蛋白量', 'pjhxbxhdbl'), item('K', 'K', '钾', 'j')]

it('puts what is meant first: the code, then what begins so, then what contains it', () => {
  expect(findItems(items, 'k').map((one) => one.code)).toEqual(['K'])
  expect(findItems(items, 'xhdb').map((one) => one.code)).toEqual(['HGB', 'MCH'])
  expect(findItems(items, '血红').map((one) => one.code)).toEqual(['HGB', 'MCH'])
  expect(findItems(items, 'zzz')).toEqual([])
})

it('proposes what is called as the analyser calls it, and nothing for a name that none has', () => {
  expect(suggestItems(items, ['血红蛋白', 'G07']).map((one) => one.code)).toEqual(['HGB', 'MCH'])
  expect(suggestItems(items, [undefined, 'k']).map((one) => one.code)).toEqual(['K'])
  expect(suggestItems(items, ['', 'G07'])).toEqual([])
})
