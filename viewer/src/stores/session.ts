/** Who is signed in, what they may open, and where they start. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { api, configure, Problem } from '@/api/client'
import type { Kind, RoleName, User } from '@/api/types'

export const useSession = defineStore('session', () => {
  const user = ref<User | null>(null)
  const known = ref(false)

  const roles = computed(() => new Set<RoleName>(user.value?.roles.map((role) => role.role) ?? []))
  const home = computed(() => homeOf(roles.value))

  function accept(someone: User | null): void {
    user.value = someone
    known.value = true
    configure({ csrf: someone?.csrf_token ?? '' })
  }

  async function restore(): Promise<void> {
    if (known.value) return
    try {
      accept((await api.get<{ user: User }>('/session')).user)
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error
      accept(null)
    }
  }

  async function signIn(username: string, password: string): Promise<void> {
    const answer = await api.post<{ user: User }>('/session', { username, password })
    accept(answer.user)
  }

  async function signOut(): Promise<void> {
    await api.delete('/session')
    accept(null)
  }

  const may = (...wanted: RoleName[]): boolean => wanted.some((role) => roles.value.has(role))

  /** Whether a page of these roles is theirs; `centre` is what its readers and reviewers read. */
  function mayOpen(meta: { roles?: RoleName[]; centre?: Kind }): boolean {
    if (!meta.roles) return true
    const held = user.value?.roles ?? []
    return held.some((one) => meta.roles!.includes(one.role) && (!meta.centre || !one.centre || one.centre.kind === meta.centre))
  }

  /** Whether they read or review what comes to a centre of this kind. */
  const readsFor = (kind: Kind): boolean => user.value?.roles.some((one) => one.centre?.kind === kind) ?? false

  return { user, known, roles, home, restore, signIn, signOut, accept, may, mayOpen, readsFor }
})

export function homeOf(roles: ReadonlySet<RoleName>): string {
  if (roles.has('reader') || roles.has('reviewer')) return '/worklist'
  if (roles.has('radiographer')) return '/township'
  if (roles.has('village')) return '/village'
  if (roles.has('it')) return '/system'
  if (roles.has('admin')) return '/admin'
  if (roles.has('auditor')) return '/audit'
  return '/welcome'
}
