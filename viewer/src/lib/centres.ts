/** Centres whose books and roster this person may open: administrators all, others theirs. */
import { ref } from 'vue'
import { api } from '@/api/client'
import type { Kind, Page } from '@/api/types'
import { useSession } from '@/stores/session'

export interface NamedCentre {
  id: string
  name: string
  kind: Kind
}

export interface NamedPlace {
  id: string
  name: string
}

export function useCentres() {
  const session = useSession()
  const admin = session.may('admin')
  const own = new Map((session.user?.roles ?? []).flatMap(({ centre }) => (centre ? [[centre.id, centre] as const] : [])))
  const centres = ref<NamedCentre[]>([...own.values()])
  const institutions = ref<NamedPlace[]>([])
  const problem = ref<unknown>(null)

  async function load(): Promise<void> {
    if (!admin) return
    problem.value = null
    try {
      const [all, places] = await Promise.all([api.get<Page<NamedCentre>>('/centres', { limit: 500 }), api.get<Page<NamedPlace>>('/institutions', { limit: 500 })])
      centres.value = all.items
      institutions.value = places.items
    } catch (error) {
      problem.value = error
    }
  }
  const ready = load()
  return { admin, centres, institutions, problem, ready, load }
}
