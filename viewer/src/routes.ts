/** Every page, who may open it, and whether it stands in the navigation. */
import type { RouteRecordRaw } from 'vue-router'
import type { RoleName } from '@/api/types'

declare module 'vue-router' {
  interface RouteMeta {
    /** Absent: everybody who is signed in. */
    roles?: RoleName[]
    /** Message key; present: the page stands in the navigation. */
    nav?: string
    /** Opens without signing in. */
    open?: boolean
    /** Fills the window, without our bar. */
    bare?: boolean
    /** Dark by default: pages that stand beside images. */
    dark?: boolean
  }
}

export const routes: RouteRecordRaw[] = [
  { path: '/', redirect: '/welcome' },
  { path: '/sign-in', component: () => import('@/pages/SignIn.vue'), meta: { open: true, bare: true } },
  { path: '/welcome', component: () => import('@/pages/WelcomePage.vue') },
  { path: '/worklist', component: () => import('@/pages/WorklistPage.vue'), meta: { roles: ['reader', 'reviewer'], nav: 'shell.nav.worklist', dark: true } },
  { path: '/read/:task', component: () => import('@/pages/ReadingRoom.vue'), meta: { roles: ['reader', 'reviewer'], bare: true, dark: true } },
  { path: '/:rest(.*)*', component: () => import('@/pages/NotFound.vue'), meta: { open: true } },
]
