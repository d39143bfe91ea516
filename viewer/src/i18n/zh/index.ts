import { common } from './common'
import { reading } from './reading'
import { shell } from './shell'
import { township } from './township'
import { worklist } from './worklist'

export const zh = { ...common, shell, worklist, reading, township }
