/** What one event did in a Worker (a request, a cron trigger, an alarm, a call), as workerd tells it to tail Workers. */
export interface TraceEvent extends Readonly<Record<string, unknown>> {
  readonly scriptName: string;
  readonly scriptVersion: { readonly id: string };
  readonly outcome: string;
  readonly logs: readonly { readonly message: unknown; readonly level: string; readonly timestamp: number }[];
  readonly exceptions: readonly { readonly name: string; readonly message: string; readonly timestamp: number }[];
  readonly event?: {
    readonly request?: { readonly method: string; readonly url: string; readonly headers: Readonly<Record<string, string>> };
  } | null;
}

/** Where Workers' traces come from. */
export interface TraceSource {
  /** Resolves once all that the script does from now on is heard; what its process was not started to trace is not. The listener must not throw. */
  traces(script: string, listener: (event: TraceEvent) => void): Promise<Disposable>;
}
