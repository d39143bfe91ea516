import { admin, audit } from './admin'
import { common } from './common'
import { ecg } from './ecg'
import { ecgReport } from './ecgReport'
import { held } from './held'
import { patients } from './patients'
import { reading } from './reading'
import { shell } from './shell'
import { refusal, system } from './system'
import { township } from './township'
import { upload } from './upload'
import { worklist } from './worklist'

export const zh = { ...common, shell, worklist, reading, township, upload, system, refusal, held, ecg, ecgReport, patients, admin, audit }
