/** Which lines are wanted. */
export interface LogQuery {
  /** Script name, or a container application's name or id. */
  readonly application: string;
  /** Only this instance, by its id or the beginning of it. */
  readonly instance?: string;
  /** Only the last so many lines; absent: all that is kept. */
  readonly tail?: number;
  /** Only what was written at this time or later; ms since 1970. */
  readonly since?: number;
  /** Goes on with what is written from now on, by instances that start from now on too. */
  readonly follow?: boolean;
}

/** One line that a container wrote. */
export interface LogLine {
  readonly instance: string;
  readonly durableObjectId: string;
  readonly applicationId: string;
  /** RFC 3339 with nanoseconds. */
  readonly at: string;
  readonly stream: "stdout" | "stderr";
  /** Bytes that are not UTF-8 are replaced. */
  readonly text: string;
}

/** Whoever keeps the output of containers. */
export interface LogSource {
  /** Lines in order of time; when followed, in the order they arrive. Ends when `signal` aborts. */
  readLogs(query: LogQuery, signal?: AbortSignal): AsyncIterable<LogLine>;
}
