import { describe, expect, it } from 'vitest'
import { activeViewport, isPainted, NothingShown, studiesOf, viewOf, type Viewport } from './ohif'

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

describe('whether images are to be seen', () => {
  /** As much of OHIF's window as is looked at. */
  const window = (shown: Partial<Viewport> | Error, inside = '', search = '?StudyInstanceUIDs=1.2'): Window => {
    const document = new DOMParser().parseFromString(`<body>${inside}</body>`, 'text/html')
    const getActiveViewportId = () => {
      if (shown instanceof Error) throw shown
      return 'one'
    }
    const services = { viewportGridService: { getActiveViewportId }, cornerstoneViewportService: { getCornerstoneViewport: () => shown } }
    return { document, location: { search }, services } as unknown as Window
  }
  const stack = { ...viewport(AT), viewportStatus: 'rendered', getCornerstoneImage: () => ({}) }

  it('is not before the pixels of this study are drawn', () => {
    expect(isPainted(null, ['1.2'])).toBe(false)
    expect(isPainted(window(new TypeError('no implementation yet')), ['1.2'])).toBe(false)
    expect(isPainted(window({ ...stack, getCornerstoneImage: () => undefined }), ['1.2'])).toBe(false)
    expect(isPainted(window({ ...stack, viewportStatus: 'preRender' }), ['1.2'])).toBe(false)
    expect(isPainted(window(stack), ['1.2'])).toBe(true)
    expect(isPainted(window({ ...stack, getCornerstoneImage: undefined }), ['1.2'])).toBe(true)
  })

  it('is not while the study before it still stands there', () => {
    expect(isPainted(window(stack, '', '?StudyInstanceUIDs=1.22'), ['1.22'])).toBe(false)
    expect(isPainted(window(stack, '<video></video>'), ['1.3'])).toBe(false)
  })

  it('is a document or a film too', () => {
    expect(isPainted(window(new NothingShown(), '<object></object>'), ['1.2'])).toBe(true)
  })

  it('knows the studies by the address', () => {
    expect(studiesOf('/ohif/viewer?StudyInstanceUIDs=1.2%2C1.3&stageId=2x1')).toEqual(['1.2', '1.3'])
    expect(studiesOf('/ohif/none')).toEqual([])
  })
})
