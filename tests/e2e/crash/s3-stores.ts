import { createHash } from "node:crypto";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { Api } from "./api.js";
import { LARGE, REQUEST_DEADLINE_MS, type Store } from "./store.js";
import { valueFor, writeOf } from "./values.js";

/** As small as a part may be that is not the last. */
const PART = 5 * 1024 ** 2;
/** Every so many uploads have two parts; the others are quicker. */
const TWO_PARTS_EVERY = 8;

/** A client with a token of its own. It asks once: what fails is for the test to know. */
export async function s3Client(api: Api): Promise<S3Client> {
  const token = (await api.json("POST", "tokens", { name: "crash-s3", scopes: ["r2:write"] })) as { id: string; value: string };
  return new S3Client({
    region: "auto",
    endpoint: new URL(api.platform.presence.apiUrl).origin,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: token.id, secretAccessKey: createHash("sha256").update(token.value).digest("hex") },
  });
}

export class S3Store implements Store {
  readonly name: string = "R2 by S3";
  readonly places = 5;

  constructor(readonly client: S3Client) {}

  async write(place: string, n: number): Promise<void> {
    await this.client.send(new PutObjectCommand({ ...this.at(place), Body: valueFor(n, LARGE) }), deadline());
  }

  async read(place: string): Promise<number | undefined> {
    try {
      const { Body } = await this.client.send(new GetObjectCommand(this.at(place)), deadline());
      return writeOf((await Body?.transformToString()) ?? "");
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return undefined;
      throw error;
    }
  }

  protected at(place: string): { Bucket: string; Key: string } {
    return { Bucket: "crash", Key: `s3-${place}` };
  }
}

/** An object of parts: it is there when the upload is completed, whole. */
export class S3UploadStore extends S3Store {
  override readonly name = "R2 by S3, in parts";
  readonly pauseMs = 100;

  override async write(place: string, n: number): Promise<void> {
    const at = this.at(place);
    const { UploadId } = await this.client.send(new CreateMultipartUploadCommand(at), deadline());
    const value = valueFor(n, n % TWO_PARTS_EVERY === TWO_PARTS_EVERY - 1 ? PART + LARGE : LARGE);
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let start = 0; start < value.length; start += PART) {
      const PartNumber = Parts.length + 1;
      const part = { ...at, UploadId, PartNumber, Body: value.slice(start, start + PART) };
      const { ETag } = await this.client.send(new UploadPartCommand(part), deadline());
      Parts.push({ PartNumber, ETag });
    }
    await this.client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }), deadline());
  }

  protected override at(place: string): { Bucket: string; Key: string } {
    return { Bucket: "crash", Key: `s3-parts-${place}` };
  }
}

function deadline(): { abortSignal: AbortSignal } {
  return { abortSignal: AbortSignal.timeout(REQUEST_DEADLINE_MS) };
}
