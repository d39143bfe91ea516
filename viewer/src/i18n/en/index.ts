import type { Messages } from '../zh'
import { common } from './common'
import { shell } from './shell'

export const en: Messages = { ...common, shell }
