import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useUpload } from './upload'

const pdf = (name: string) => new File(['%PDF-1.7 '.repeat(40)], name)
const pile = (...files: File[]) => files.map((file) => ({ file, path: `disc/${file.name}` }))

let server: Server
let asked: { url: string; body: string }[]
let answer: { status: number; body: object }

beforeEach(async () => {
  setActivePinia(createPinia())
  asked = []
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => (body += part))
    request.on('end', () => {
      asked.push({ url: request.url ?? '', body })
      response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  ;(window as unknown as { happyDOM: { setURL: (url: string) => void } }).happyDOM.setURL(`http://127.0.0.1:${port}/app/upload`)
})
afterEach(() => new Promise((resolve) => server.close(resolve)))

describe('an upload of other files', () => {
  it('sends none by itself', async () => {
    const upload = useUpload()
    await upload.look(pile(pdf('ecg.pdf'), pdf('autorun.exe')))

    expect(upload.phase).toBe('review')
    expect(upload.others.map((one) => one.path)).toEqual(['disc/ecg.pdf'])
    expect(upload.chosenOthers.size).toBe(0)
    await upload.start()
    expect(asked).toEqual([])
    expect(upload.skipped).toEqual([{ path: 'disc/autorun.exe', reason: 'notDicom' }, { path: 'disc/ecg.pdf', reason: 'notTicked' }])
  })

  it('sends those that were ticked as the kind that was chosen, and keeps what became of them', async () => {
    answer = { status: 201, body: { accepted: [{ name: 'ecg.pdf', examination_id: 'e-1' }], refused: [{ name: 'lab.pdf', reason: '看不懂。' }] } }
    const upload = useUpload()
    await upload.look(pile(pdf('ecg.pdf'), pdf('lab.pdf'), pdf('left.pdf')))
    const [ecg, lab] = upload.others
    upload.chosenOthers.add(ecg!).add(lab!)
    upload.kind = 'ecg'
    upload.accession = 'A-77'
    await upload.start()

    expect(upload.problem).toBeNull()
    expect(asked.map((one) => one.url)).toEqual(['/api/v1/examinations'])
    expect(asked[0]!.body).toMatch(/name="kind"\s+ecg\s/)
    expect(asked[0]!.body).toMatch(/name="accession_number"\s+A-77\s/)
    expect(asked[0]!.body).not.toContain('left.pdf')
    expect([upload.phase, upload.stopped, upload.sentBytes]).toEqual(['done', false, upload.totalBytes])
    expect([...upload.accepted]).toEqual([ecg])
    expect(upload.examinations.get(ecg!)).toBe('e-1')
    expect(upload.refused.get(lab!)?.detail).toBe('看不懂。')
    expect(upload.skipped).toEqual([{ path: 'disc/left.pdf', reason: 'notTicked' }])
  })

  it('leaves what went unanswered to be sent again', async () => {
    answer = { status: 403, body: { code: 'not_allowed', title: '无权', detail: '' } }
    const upload = useUpload()
    await upload.look(pile(pdf('ecg.pdf')))
    upload.chosenOthers.add(upload.others[0]!)
    upload.kind = 'ecg'
    await upload.start()
    expect([upload.left.length, upload.stopped, (upload.problem as { code: string }).code]).toEqual([1, true, 'not_allowed'])

    answer = { status: 201, body: { accepted: [{ name: 'ecg.pdf', examination_id: 'e-2' }], refused: [] } }
    await upload.go()
    expect([upload.left.length, upload.accepted.size, upload.problem]).toEqual([0, 1, null])
  })
})
