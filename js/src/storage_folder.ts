// Where the files of a database lie in the origin's private file system. Pages need no more of it than
// this; the files themselves are the worker's (storage_opfs.ts).

export async function root(create: boolean): Promise<FileSystemDirectoryHandle> {
  const top = await navigator.storage.getDirectory();
  return top.getDirectoryHandle("syncline", { create });
}

/** The folder of a database may have any name that a person gives it. */
export function folderName(name: string): string {
  return encodeURIComponent(name).replace(/[.*]/g, "_") || "_";
}

export async function removeFolder(database: string): Promise<void> {
  try {
    await (await root(false)).removeEntry(folderName(database), { recursive: true });
  } catch (error) {
    if ((error as Error).name !== "NotFoundError") throw error;
  }
}
