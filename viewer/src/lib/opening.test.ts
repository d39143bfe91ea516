import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { notOpened, openAgain, openingSlowly, watchOpening } from './opening'

const page = { template: '<p />' }
let arrive: () => void
let away = false

function aRouter() {
  const slow = () => new Promise<typeof page>((resolve) => (arrive = () => resolve(page)))
  const failing = () => Promise.reject(new TypeError('Failed to fetch dynamically imported module'))
  const router = createRouter({ history: createMemoryHistory('/app/'), routes: [{ path: '/', component: page }, { path: '/slow', component: slow }, { path: '/gone', component: failing }] })
  watchOpening(router)
  return router
}

describe('a page that is opened', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('fetch', async () => {
      if (away) throw new TypeError('Failed to fetch')
      return new Response('')
    })
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
    notOpened.value = null
  })

  it('says so when it takes long, and no longer once it is there', async () => {
    const router = aRouter()
    const opened = router.push('/slow')
    await vi.advanceTimersByTimeAsync(300)
    expect(openingSlowly.value).toBe(false)
    await vi.advanceTimersByTimeAsync(200)
    expect(openingSlowly.value).toBe(true)
    arrive()
    await opened
    expect([openingSlowly.value, notOpened.value]).toEqual([false, null])
  })

  it('that did not come is told, and opened when the line is back', async () => {
    const router = aRouter()
    await router.push('/gone').catch(() => undefined)
    expect(notOpened.value?.href).toBe('/app/gone')

    const loaded: string[] = []
    away = true
    await openAgain((href) => loaded.push(href))
    expect([loaded, notOpened.value?.href]).toEqual([[], '/app/gone'])
    away = false
    await openAgain((href) => loaded.push(href))
    expect([loaded, notOpened.value]).toEqual([['/app/gone'], null])
  })

  it('is forgotten when another one opens', async () => {
    const router = aRouter()
    await router.push('/gone').catch(() => undefined)
    await router.push('/')
    expect(notOpened.value).toBeNull()
  })
})
