/** Every page, who may open it, and whether it stands in the navigation. */
import type { RouteRecordRaw } from 'vue-router'
import type { Kind, RoleName } from '@/api/types'

declare module 'vue-router' {
  interface RouteMeta {
    /** Absent: everybody who is signed in. */
    roles?: RoleName[]
    /** Readers and reviewers: only those of a centre of this kind. */
    centre?: Kind
    /** Message key; present: the page stands in the navigation. */
    nav?: string
    /** Who sees it there, where not everybody who may open it. */
    navFor?: RoleName[]
    /** Opens without signing in. */
    open?: boolean
    /** Fills the window, without our bar. */
    bare?: boolean
    /** A window beside another page, which is where people are told things. */
    beside?: boolean
    /** Dark by default: pages that stand beside images. */
    dark?: boolean
  }
}

export const routes: RouteRecordRaw[] = [
  { path: '/', redirect: '/welcome' },
  { path: '/sign-in', component: () => import('@/pages/SignIn.vue'), meta: { open: true, bare: true } },
  { path: '/welcome', component: () => import('@/pages/WelcomePage.vue') },
  { path: '/account', component: () => import('@/pages/AccountPage.vue') },
  { path: '/worklist', component: () => import('@/pages/WorklistPage.vue'), meta: { roles: ['reader', 'reviewer'], nav: 'shell.nav.worklist', dark: true } },
  { path: '/read/:task', component: () => import('@/pages/ReadingRoom.vue'), meta: { roles: ['reader', 'reviewer'], bare: true, dark: true } },
  { path: '/feedback', component: () => import('@/pages/FeedbackPage.vue'), meta: { roles: ['reader', 'reviewer'], nav: 'checking.feedback.nav' } },
  { path: '/checking', component: () => import('@/pages/CheckingRules.vue'), meta: { roles: ['reader', 'reviewer', 'admin'] } },
  { path: '/images', component: () => import('@/pages/ImagesWindow.vue'), meta: { roles: ['reader', 'reviewer'], bare: true, dark: true, beside: true } },
  { path: '/township', component: () => import('@/pages/TownshipPage.vue'), meta: { roles: ['radiographer'], nav: 'shell.nav.overview' } },
  { path: '/sent', component: () => import('@/pages/SentPage.vue'), meta: { roles: ['radiographer'], nav: 'shell.nav.sent' } },
  { path: '/refused', component: () => import('@/pages/RefusedPage.vue'), meta: { roles: ['radiographer'] } },
  { path: '/returns', component: () => import('@/pages/ReturnsPage.vue'), meta: { roles: ['radiographer'], nav: 'shell.nav.returns' } },
  { path: '/critical', component: () => import('@/pages/CriticalPage.vue'), meta: { nav: 'critical.nav', navFor: ['reader', 'reviewer', 'radiographer'] } },
  { path: '/critical/timers', component: () => import('@/pages/CriticalTimers.vue'), meta: { roles: ['reader', 'reviewer', 'admin'] } },
  { path: '/critical/:id', component: () => import('@/pages/CriticalDetail.vue') },
  { path: '/upload', component: () => import('@/pages/UploadPage.vue'), meta: { roles: ['radiographer'], nav: 'shell.nav.upload' } },
  { path: '/lab/specimens', component: () => import('@/pages/SpecimensPage.vue'), meta: { roles: ['radiographer'], nav: 'specimens.nav.specimens' } },
  { path: '/lab/specimens/register', component: () => import('@/pages/SpecimenRegister.vue'), meta: { roles: ['radiographer'] } },
  { path: '/lab/receive', component: () => import('@/pages/SpecimenReceive.vue'), meta: { roles: ['reader', 'reviewer'], centre: 'laboratory', nav: 'specimens.nav.receive' } },
  { path: '/lab/transports', component: () => import('@/pages/TransportsPage.vue'), meta: { roles: ['reader', 'reviewer', 'radiographer'], centre: 'laboratory' } },
  { path: '/lab/held', component: () => import('@/pages/LabHeldPage.vue'), meta: { roles: ['reader', 'reviewer', 'radiographer', 'it'], centre: 'laboratory', nav: 'labHeld.nav' } },
  { path: '/lab/mapping', component: () => import('@/pages/LabMappingsPage.vue'), meta: { roles: ['reader', 'reviewer', 'radiographer', 'admin', 'it'], centre: 'laboratory' } },
  { path: '/lab/mapping/:code/file', component: () => import('@/pages/LabFilePage.vue'), meta: { roles: ['reader', 'reviewer', 'radiographer', 'admin', 'it'], centre: 'laboratory' } },
  { path: '/lab/mapping/:code', component: () => import('@/pages/LabMappingPage.vue'), meta: { roles: ['reader', 'reviewer', 'radiographer', 'admin', 'it'], centre: 'laboratory' } },
  { path: '/lab/dictionary', component: () => import('@/pages/LabDictionaryPage.vue'), meta: { roles: ['reader', 'reviewer', 'admin'], centre: 'laboratory', nav: 'labHeld.dictionaryNav' } },
  { path: '/recognition', component: () => import('@/pages/RecognitionPage.vue'), meta: { roles: ['radiographer'], nav: 'recognition.nav' } },
  { path: '/figures/recognition', component: () => import('@/pages/RecognitionFigures.vue'), meta: { roles: ['radiographer', 'admin'], nav: 'recognition.statisticsNav' } },
  { path: '/figures', component: () => import('@/pages/FiguresPage.vue'), meta: { roles: ['reviewer', 'admin', 'radiographer'], nav: 'figures.nav' } },
  { path: '/quality', component: () => import('@/pages/QualityPage.vue'), meta: { roles: ['reviewer', 'admin', 'radiographer'], nav: 'quality.nav' } },
  { path: '/village', component: () => import('@/pages/VillagePage.vue'), meta: { roles: ['village'], nav: 'shell.nav.village' } },
  { path: '/reports/:report', component: () => import('@/pages/ReportPage.vue'), meta: { roles: ['reader', 'reviewer', 'radiographer', 'village'] } },
  { path: '/system', component: () => import('@/pages/SystemPage.vue'), meta: { roles: ['it'], nav: 'system.nav' } },
  { path: '/deliveries', component: () => import('@/pages/DeliveriesPage.vue'), meta: { roles: ['it', 'admin'], nav: 'deliveries.nav' } },
  { path: '/unread', component: () => import('@/pages/UnreadPage.vue'), meta: { roles: ['reader', 'reviewer'], nav: 'unread.nav' } },
  { path: '/system/townships/:id', component: () => import('@/pages/SystemTownship.vue'), meta: { roles: ['it'] } },
  { path: '/system/devices/:id', component: () => import('@/pages/SystemDevice.vue'), meta: { roles: ['it'] } },
  { path: '/held', component: () => import('@/pages/HeldPage.vue'), meta: { roles: ['radiographer', 'it'], nav: 'held.nav' } },
  { path: '/held/:id', component: () => import('@/pages/HeldDetail.vue'), meta: { roles: ['radiographer', 'it'] } },
  { path: '/device-control', component: () => import('@/pages/DeviceControlPage.vue'), meta: { roles: ['radiographer', 'reader', 'reviewer', 'it', 'admin'], nav: 'deviceControl.nav', navFor: ['radiographer', 'reviewer', 'it', 'admin'] } },
  { path: '/lab/messages', component: () => import('@/pages/LabMessagesPage.vue'), meta: { roles: ['radiographer', 'reader', 'reviewer', 'it', 'admin'], nav: 'labMessages.nav', centre: 'laboratory' } },
  { path: '/lab/messages/:id', component: () => import('@/pages/LabMessagePage.vue'), meta: { roles: ['radiographer', 'reader', 'reviewer', 'it', 'admin'] } },
  { path: '/patients', component: () => import('@/pages/PatientsPage.vue'), meta: { roles: ['reviewer', 'radiographer'], nav: 'patients.nav' } },
  { path: '/patients/:id', component: () => import('@/pages/PatientPage.vue'), meta: { roles: ['reviewer', 'radiographer'] } },
  { path: '/lab/control', component: () => import('@/pages/LabControlPage.vue'), meta: { roles: ['reader', 'reviewer', 'radiographer', 'admin'], centre: 'laboratory', nav: 'labControl.nav' } },
  { path: '/lab/rules', component: () => import('@/pages/LabRulesPage.vue'), meta: { roles: ['reader', 'reviewer', 'admin'], centre: 'laboratory' } },
  { path: '/admin', component: () => import('@/pages/AdminPage.vue'), meta: { roles: ['admin'], nav: 'admin.nav' } },
  { path: '/admin/tokens', component: () => import('@/pages/TokensPage.vue'), meta: { roles: ['admin'] } },
  { path: '/admin/:table', component: () => import('@/pages/AdminPage.vue'), meta: { roles: ['admin'] } },
  { path: '/templates', component: () => import('@/pages/TemplatesPage.vue'), meta: { roles: ['reader', 'reviewer', 'admin'], nav: 'templates.nav' } },
  { path: '/assignment', component: () => import('@/pages/AssignmentRulesPage.vue'), meta: { roles: ['reader', 'reviewer', 'admin'], nav: 'assignmentRules.nav' } },
  { path: '/roster', component: () => import('@/pages/RosterPage.vue'), meta: { roles: ['reader', 'reviewer', 'admin'] } },
  { path: '/audit', component: () => import('@/pages/AuditPage.vue'), meta: { roles: ['auditor'], nav: 'audit.nav' } },
  { path: '/verify/:code?', component: () => import('@/pages/VerifyPage.vue'), meta: { open: true, bare: true } },
  { path: '/:rest(.*)*', component: () => import('@/pages/NotFound.vue'), meta: { open: true } },
]
