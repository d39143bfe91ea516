/** What the same patient had before. */
import { api } from './client'
import type { OpenedPrior, Prior } from './types'

export interface PriorPage {
  items: Prior[]
  total: number
  next_cursor: string | null
}

export const readPriors = (task: string, cursor: string): Promise<PriorPage> => api.get(`/tasks/${task}/priors`, { cursor })
/** In the audit as an opening. */
export const openPrior = (task: string, examination: string): Promise<OpenedPrior> => api.get(`/tasks/${task}/priors/${examination}`)
