import type { Same } from '../same'
import type { zh } from '../zh'
import { common } from './common'
import { reading } from './reading'
import { shell } from './shell'
import { township } from './township'
import { worklist } from './worklist'

export const en: Same<typeof zh> = { ...common, shell, worklist, reading, township }
