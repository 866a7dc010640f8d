/** What the compiled addon offers for files, where the system has mmap. */
export interface FileAddon {
  /**
   * The bytes of a regular file of at most `most`, read when they are touched; what is written into them stays in this
   * process. Freed when the buffer is collected. Throws an Error with `errno` and `syscall`.
   */
  mapFile(path: string, most: number): ArrayBuffer;
  /** Asks for these bytes of a mapped file to be read soon; returns at once. */
  adviseWillNeed(buffer: ArrayBufferLike, offset: number, length: number): void;
}
