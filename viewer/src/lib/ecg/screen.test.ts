import { afterEach, describe, expect, it, vi } from 'vitest'
import { forgetScreen, keepPxPerMm, measuredPxPerMm } from './screen'

describe('the size of a millimetre', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    localStorage.clear()
  })
  const see = (ratio: number, width: number, height: number) => {
    vi.stubGlobal('devicePixelRatio', ratio)
    vi.stubGlobal('screen', { width, height })
  }

  it('is unknown until somebody has measured', () => {
    see(1, 1920, 1080)
    expect(measuredPxPerMm()).toBeNull()
  })

  it('stays true when the browser zooms', () => {
    see(1, 1920, 1080)
    keepPxPerMm(3.6)
    see(1.25, 1536, 864)
    expect(measuredPxPerMm()).toBeCloseTo(3.6 / 1.25)
  })

  it('is each screen’s own', () => {
    see(1, 1920, 1080)
    keepPxPerMm(3.6)
    see(1, 1366, 768)
    expect(measuredPxPerMm()).toBeNull()
    keepPxPerMm(4)
    see(1, 1920, 1080)
    expect(measuredPxPerMm()).toBeCloseTo(3.6)
    forgetScreen()
    expect(measuredPxPerMm()).toBeNull()
  })

  it('is refused when it cannot be', () => {
    expect(() => keepPxPerMm(0)).toThrow(RangeError)
    expect(() => keepPxPerMm(Number.NaN)).toThrow(RangeError)
  })
})
