/** Methods that may be sent twice without harm (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** A body of a known length up to this is held in memory, so that it can be sent once more if the container stops under it. */
const HELD_BODY_BYTES = 65_536;

/** A request on its way to the container, as often as it has to be tried. */
export class Outgoing {
  /** Set once it was sent again though the program may have seen it, and nothing but the request explains the failure. */
  #suspect = false;

  private constructor(
    private readonly request: Request,
    private readonly bytes: ArrayBuffer | undefined,
  ) {}

  /** Takes the request over; a small body is read now, a large one streams when it is sent. */
  static async of(incoming: Request): Promise<Outgoing> {
    const request = plainHttp(incoming);
    if (request.body === null) return new Outgoing(request, undefined);
    const length = request.headers.get("content-length");
    if (length === null || Number(length) > HELD_BODY_BYTES) return new Outgoing(request, undefined);
    return new Outgoing(request, await request.arrayBuffer());
  }

  /** True if it has no body, so that sending it is as good a probe of the port as any. */
  get isBare(): boolean {
    return this.bytes === undefined && this.request.body === null;
  }

  get signal(): AbortSignal {
    return this.request.signal;
  }

  /** What to send now. */
  attempt(): Request {
    return this.bytes === undefined ? this.request : new Request(this.request, { body: this.bytes });
  }

  /**
   * True if it may be sent once more after an attempt failed. `unseen`: no byte of that attempt can have reached the program; `explained`: it did not
   * fail because of this request. One that the program may have died of is sent once more, and never again.
   */
  mayRepeat({ unseen, explained }: { unseen: boolean; explained: boolean }): boolean {
    if (this.bytes === undefined && this.request.bodyUsed) return false;
    if (unseen) return true;
    if (!IDEMPOTENT.has(this.request.method)) return false;
    if (explained) return true;
    const first = !this.#suspect;
    this.#suspect = true;
    return first;
  }
}

/** A container speaks plain HTTP on its port, whatever the client spoke to the Worker. */
function plainHttp(request: Request): Request {
  return request.url.startsWith("https:") ? new Request(`http:${request.url.slice("https:".length)}`, request) : request;
}
