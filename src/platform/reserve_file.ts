/** Written a piece at a time: a file without bytes in it would reserve nothing. */
const PIECE_BYTES = 64 * 1024;

/** Space that is held back on a disk, so that there is some when it is full. Calls block: for Workers. */
export class ReserveFile {
  readonly #path: string;
  readonly #sizeBytes: number;

  constructor(path: string, sizeBytes: number) {
    this.#path = path;
    this.#sizeBytes = sizeBytes;
  }

  /** Takes the space unless it is held already; a disk that has none is left as it was. */
  hold(): void {
    try {
      if (Deno.statSync(this.#path).size === this.#sizeBytes) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) return;
    }
    try {
      using file = Deno.openSync(this.#path, {
        create: true,
        write: true,
        truncate: true,
        mode: 0o600,
      });
      const piece = new Uint8Array(PIECE_BYTES);
      for (let done = 0; done < this.#sizeBytes;) {
        done += file.writeSync(piece.subarray(0, this.#sizeBytes - done));
      }
    } catch {
      this.release();
    }
  }

  /** Gives the space to whoever needs it now; false when none was held. */
  release(): boolean {
    try {
      Deno.removeSync(this.#path);
      return true;
    } catch {
      return false;
    }
  }
}
