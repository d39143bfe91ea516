import { createRouter, createWebHistory } from 'vue-router'
import { watchOpening } from './lib/opening'
import { routes } from './routes'
import { useSession } from './stores/session'

export const router = createRouter({ history: createWebHistory('/app/'), routes })

watchOpening(router)

router.beforeEach(async (to) => {
  if (to.meta.open && to.path !== '/sign-in') return true
  const session = useSession()
  await session.restore()
  if (!session.user) return to.path === '/sign-in' ? true : { path: '/sign-in', query: { to: to.fullPath } }
  if (to.path === '/sign-in' || (to.path === '/welcome' && session.home !== '/welcome')) return session.home
  if (!session.mayOpen(to.meta)) return { path: '/not-found', query: { from: to.fullPath } }
  return true
})
