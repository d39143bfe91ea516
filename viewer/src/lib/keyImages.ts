import { reactive, ref, shallowRef } from 'vue'
import { arrangeKeyImages, chooseFrame, chooseSnapshot, listKeyImages, takeAwayKeyImage, type KeyImage } from '@/api/keyImages'
import { NothingShown, type View } from '@/lib/ohif'

/** What stood in the viewport as the key was pressed; with a picture where it is to go in as it stood there. */
export interface Seen {
  view: View
  picture: Blob | null
}

/** The key images of a report and what is done with them, one deed after the other. */
export function useKeyImages(task: string) {
  const items = shallowRef<KeyImage[]>([])
  /** Captions that no answer has confirmed yet, by image: a list that comes back meanwhile never takes them away. */
  const typed = reactive(new Map<string, string>())
  const problem = shallowRef<unknown>(null)
  const hint = ref<'' | 'nothing' | 'known'>('')
  let last = Promise.resolve()

  /** Each begins with the list that the one before left. */
  function inTurn(deed: () => Promise<unknown>): Promise<void> {
    last = last.then(async () => {
      problem.value = null
      hint.value = ''
      try {
        await deed()
      } catch (error) {
        if (error instanceof NothingShown) hint.value = 'nothing'
        else problem.value = error
      }
      try {
        items.value = await listKeyImages(task)
      } catch (error) {
        problem.value ??= error
      }
    })
    return last
  }

  const has = (id: string) => items.value.some((one) => one.id === id)
  const arrange = (order: KeyImage[]) => arrangeKeyImages(task, order.map(({ id, caption }) => ({ id, caption })))
  const load = () => inTurn(() => Promise.resolve())

  function choose(seen: Promise<Seen>): Promise<void> {
    seen.catch(() => undefined) // its turn says it
    return inTurn(async () => {
      const { view, picture } = await seen
      const made = picture ? await chooseSnapshot(task, view, picture) : await chooseFrame(task, view)
      if (has(made.id)) hint.value = 'known'
    })
  }

  function describe(id: string): Promise<void> {
    return inTurn(async () => {
      const caption = typed.get(id)
      if (caption === undefined) return
      if (items.value.some((one) => one.id === id && one.caption !== caption.trim())) await arrange(items.value.map((one) => (one.id === id ? { ...one, caption } : one)))
      if (typed.get(id) === caption) typed.delete(id)
    })
  }

  function move(id: string, by: number): Promise<void> {
    return inTurn(async () => {
      const order = [...items.value]
      const from = order.findIndex((one) => one.id === id)
      if (from < 0 || !order[from + by]) return
      order.splice(from + by, 0, ...order.splice(from, 1))
      await arrange(order)
    })
  }

  const takeAway = (id: string) => inTurn(async () => has(id) && takeAwayKeyImage(task, id))

  /** Whether everything that was asked for is kept. */
  async function settled(): Promise<boolean> {
    for (const id of typed.keys()) void describe(id)
    await last
    return typed.size === 0
  }

  return { items, typed, problem, hint, load, choose, describe, move, takeAway, settled }
}
