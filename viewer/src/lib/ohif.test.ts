import { describe, expect, it } from 'vitest'
import { activeViewport, NothingShown, viewOf, type Viewport } from './ohif'

const viewport = (imageId: string | undefined, voiRange?: { lower: number; upper: number }): Viewport => ({
  getCurrentImageId: () => imageId,
  getProperties: () => (voiRange ? { voiRange } : {}),
  getCanvas: () => document.createElement('canvas'),
  element: document.createElement('div'),
})
const AT = 'wadors:/dicomweb/studies/1.2/series/1.3/instances/1.2.840.9/frames/3'

describe('what stands in a viewport', () => {
  it('is an instance, a frame and a window', () => {
    expect(viewOf(viewport(AT, { lower: -160, upper: 239 }))).toEqual({ sop_instance_uid: '1.2.840.9', frame: 3, window: { center: 40, width: 400 } })
  })

  it('has no window where the viewport has none, or a broken one', () => {
    expect(viewOf(viewport(AT)).window).toBeNull()
    expect(viewOf(viewport(AT, { lower: NaN, upper: 1 })).window).toBeNull()
    expect(viewOf(viewport(AT, { lower: 5, upper: 1 })).window).toBeNull()
  })

  it('is nothing in an empty viewport, a document, or before OHIF has begun', () => {
    expect(() => viewOf(viewport(undefined))).toThrow(NothingShown)
    expect(() => viewOf(viewport('blob:nowhere'))).toThrow(NothingShown)
    expect(() => activeViewport(null)).toThrow(NothingShown)
    expect(() => activeViewport(window)).toThrow(NothingShown)
  })
})
