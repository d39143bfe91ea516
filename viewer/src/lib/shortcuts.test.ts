import { effectScope, nextTick, ref, type EffectScope } from 'vue'
import { afterEach, expect, test } from 'vitest'
import { holdKeys, useShortcuts, inText } from './shortcuts'

const pressed: string[] = []
const scopes: EffectScope[] = []

/** A page with `n` and `Ctrl+Enter`. */
function page(name: string, loading: () => boolean): EffectScope {
  const scope = effectScope()
  scope.run(() => {
    useShortcuts(['n', 'a', 'Ctrl+Enter'].map((key) => ({ key, run: () => void pressed.push(`${name} ${key}`) })))
    holdKeys(loading)
  })
  scopes.push(scope)
  return scope
}

const press = (key: string, more: KeyboardEventInit = {}) => window.dispatchEvent(new KeyboardEvent('keydown', { key, cancelable: true, ...more }))

afterEach(async () => {
  scopes.splice(0).forEach((scope) => scope.stop())
  pressed.length = 0
  await nextTick()
})

test('keys wait for the page, in their order; what signs does not', async () => {
  const loading = ref(true)
  page('room', () => loading.value)

  press('n')
  press('a')
  press('Enter', { ctrlKey: true })
  expect(pressed).toEqual(['room Ctrl+Enter'])
  loading.value = false
  await nextTick()

  expect(pressed).toEqual(['room Ctrl+Enter', 'room n', 'room a'])
})

test('a key that is held down is one key', async () => {
  const loading = ref(true)
  page('room', () => loading.value)

  press('n')
  press('n', { repeat: true })
  loading.value = false
  await nextTick()

  expect(pressed).toEqual(['room n'])
})

test('what is pressed while one page goes is for the page that comes', async () => {
  const [first, second] = [ref(false), ref(true)]
  const leaving = page('first', () => first.value)
  first.value = true
  await nextTick()
  press('n')
  leaving.stop()
  page('second', () => second.value)
  await nextTick()
  second.value = false
  await nextTick()

  expect(pressed).toEqual(['second n'])
})

test('a page that waits for nothing hears nothing of what was pressed before', async () => {
  const leaving = page('first', () => true)
  press('n')
  leaving.stop()
  await nextTick()
  const loading = ref(true)
  page('second', () => loading.value)
  loading.value = false
  await nextTick()

  expect(pressed).toEqual([])
})

test('what is typed in a field of another window is no shortcut', () => {
  // Elements of a frame are none of this window's classes.
  const of = (part: object) => part as unknown as EventTarget
  expect(inText(of({ tagName: 'INPUT', type: 'text' }))).toBe(true)
  expect(inText(of({ tagName: 'textarea' }))).toBe(true)
  expect(inText(of({ tagName: 'DIV', isContentEditable: true }))).toBe(true)
  expect(inText(of({ tagName: 'INPUT', type: 'checkbox' }))).toBe(false)
  expect(inText(of({ tagName: 'CANVAS' }))).toBe(false)
  expect(inText(window)).toBe(false)
})
