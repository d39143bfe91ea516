import { expect, it } from 'vitest'
import { sha256Of } from './sha256'

it('gives the digest of the standard', async () => {
  // FIPS 180-4: the message "abc"
  expect(await sha256Of?.(new Blob(['abc']))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})
