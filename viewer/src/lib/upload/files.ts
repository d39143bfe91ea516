/** Files out of what a person drops or picks: folders are walked through to their last file. */

export interface Found {
  file: File
  path: string
}

/** What was dropped. The entries must be asked for at once; later the browser has forgotten them. */
export function dropped(transfer: DataTransfer): Promise<Found[]> {
  const entries = [...transfer.items].filter((item) => item.kind === 'file').map((item) => item.webkitGetAsEntry())
  if (entries.some((entry) => entry === null)) return Promise.resolve(picked(transfer.files))
  return walk(entries as FileSystemEntry[])
}

export function picked(files: Iterable<File> | null): Found[] {
  return [...(files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }))
}

async function walk(entries: FileSystemEntry[]): Promise<Found[]> {
  const found: Found[] = []
  const ahead = [...entries].reverse()
  for (let entry = ahead.pop(); entry; entry = ahead.pop()) {
    if (entry.isDirectory) ahead.push(...(await children(entry as FileSystemDirectoryEntry)).reverse())
    else found.push({ file: await fileOf(entry as FileSystemFileEntry), path: entry.fullPath.replace(/^\//, '') })
  }
  return found
}

/** A folder's entries; the browser gives a hundred at a time and an empty batch at the end. */
async function children(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (batch.length === 0) return all
    all.push(...batch)
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject))
}
