/**
 * The one container image of the tests, made of Debian's static busybox, as no registry is needed that
 * way: it is the sandbox of every pod and what runs in it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { run } from "../command.ts";
import { type TarEntry, tarOf } from "./tar.ts";

/** Its name for kubelet and containerd. */
export const IMAGE = "edge-agent.test/busybox:1";

/** Where Debian's busybox-static puts it. */
const BUSYBOX = "/bin/busybox";

/** Writes the image as an OCI archive, which `ctr images import` reads. */
export async function writeImage(path: string): Promise<void> {
  const busybox = await readFile(BUSYBOX);
  if (isDynamic(busybox)) {
    throw new Error(
      `Cannot make an image of ${BUSYBOX} as it is not static: ` +
        "install busybox-static instead of busybox",
    );
  }
  const { stdout } = await run([BUSYBOX, "--list"]);
  const applets = stdout.split("\n").filter((name) => name !== "" && name !== "busybox");
  await writeFile(path, ociArchive(layerOf(busybox, applets)));
}

function layerOf(busybox: Uint8Array, applets: readonly string[]): Uint8Array {
  return tarOf([
    ...["bin", "dev", "etc", "proc", "sys", "tmp"].map((path) => ({ path, mode: 0o755 })),
    { path: "bin/busybox", mode: 0o755, content: busybox },
    ...applets.map((name) => ({ path: `bin/${name}`, target: "busybox" })),
    { path: "etc/passwd", mode: 0o644, content: encode("root:x:0:0:root:/:/bin/sh\n") },
  ]);
}

/** Whether an ELF program (64 bits, little-endian) asks for an interpreter, which the image lacks. */
function isDynamic(program: Uint8Array): boolean {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const [table, size, count] = [32, 54, 56].map((at) => view.getUint16(at, true));
  const PT_INTERP = 3;
  return Array.from({ length: count! }, (_, i) => view.getUint32(table! + i * size!, true))
    .includes(PT_INTERP);
}

/** An OCI image layout of one layer (image-spec v1.0, image-layout.md), in a tar archive. */
function ociArchive(layer: Uint8Array): Uint8Array<ArrayBuffer> {
  const blobs: TarEntry[] = [];
  const addBlob = (mediaType: string, content: Uint8Array) => {
    const hash = createHash("sha256").update(content).digest("hex");
    blobs.push({ path: `blobs/sha256/${hash}`, mode: 0o644, content });
    return { mediaType, digest: `sha256:${hash}`, size: content.length };
  };
  const rootfs = addBlob("application/vnd.oci.image.layer.v1.tar", layer);
  const config = addBlob(
    "application/vnd.oci.image.config.v1+json",
    encode(JSON.stringify({
      architecture: Deno.build.arch === "x86_64" ? "amd64" : "arm64",
      os: "linux",
      // What the sandbox of a pod does: nothing.
      config: { Env: ["PATH=/bin"], Cmd: ["/bin/sleep", "2147483647"] },
      rootfs: { type: "layers", diff_ids: [rootfs.digest] },
    })),
  );
  const manifest = addBlob(
    "application/vnd.oci.image.manifest.v1+json",
    encode(JSON.stringify({ schemaVersion: 2, config, layers: [rootfs] })),
  );
  const index = {
    schemaVersion: 2,
    manifests: [{ ...manifest, annotations: { "io.containerd.image.name": IMAGE } }],
  };
  const file = (path: string, content: unknown): TarEntry => ({
    path,
    mode: 0o644,
    content: encode(JSON.stringify(content)),
  });
  return tarOf([
    file("oci-layout", { imageLayoutVersion: "1.0.0" }),
    file("index.json", index),
    ...blobs,
  ]);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
