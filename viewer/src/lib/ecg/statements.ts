/** The statements that an ECG reader can choose from: read once for a page, newly when it is opened again. */
import { shallowRef, type ShallowRef } from 'vue'
import { api } from '@/api/client'
import { language } from '@/i18n'
import type { Statement } from './content'

export interface Statements {
  all: ShallowRef<Statement[] | null>
  problem: ShallowRef<unknown>
  load: () => Promise<Statement[] | null>
}

export function useStatements(): Statements {
  const all = shallowRef<Statement[] | null>(null)
  const problem = shallowRef<unknown>(null)
  let asked: Promise<Statement[] | null> | null = null

  async function ask(): Promise<Statement[] | null> {
    try {
      all.value = await api.get<Statement[]>('/ecg/statements')
      problem.value = null
    } catch (error) {
      problem.value = error
      asked = null
    }
    return all.value
  }

  const load = (): Promise<Statement[] | null> => (asked ??= ask())
  void load()
  return { all, problem, load }
}

/** A statement as the page speaks; what goes into the report is Chinese. */
export const wordsOf = (one: Pick<Statement, 'text' | 'text_en'>): string => (language.value === 'en' && one.text_en ? one.text_en : one.text)
