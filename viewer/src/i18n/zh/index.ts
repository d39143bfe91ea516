import { admin, audit } from './admin'
import { amending } from './amending'
import { assignment, assignmentRules, roster } from './assignment'
import { auditDetail } from './auditDetail'
import { checking } from './checking'
import { common } from './common'
import { critical } from './critical'
import { deliveries, unread } from './deliveries'
import { deviceControl } from './deviceControl'
import { duty } from './duty'
import { ecg } from './ecg'
import { ecgReport } from './ecgReport'
import { figures, quality } from './figures'
import { held } from './held'
import { keyImages } from './keyImages'
import { labDesk } from './labDesk'
import { labFile } from './labFile'
import { labHeld } from './labHeld'
import { labControl, labRules } from './labControl'
import { labMessages } from './labMessages'
import { patients } from './patients'
import { reading } from './reading'
import { recognition } from './recognition'
import { ruleBook } from './ruleBook'
import { shares } from './shares'
import { shell } from './shell'
import { specimens } from './specimens'
import { refusal, system } from './system'
import { templates } from './templates'
import { township } from './township'
import { upload } from './upload'
import { village } from './village'
import { verify } from './verify'
import { worklist } from './worklist'

export const zh = {
  ...common,
  amending,
  shares,
  auditDetail,
  checking,
  shell,
  worklist,
  reading,
  templates,
  township,
  upload,
  village,
  verify,
  system,
  refusal,
  held,
  critical,
  deviceControl,
  duty,
  ecg,
  ecgReport,
  keyImages,
  labDesk,
  labFile,
  labHeld,
  labMessages,
  labControl,
  labRules,
  specimens,
  patients,
  recognition,
  figures,
  quality,
  assignment,
  assignmentRules,
  roster,
  ruleBook,
  deliveries,
  unread,
  admin,
  audit,
}
