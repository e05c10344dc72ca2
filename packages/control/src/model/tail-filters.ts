import type { TraceEvent } from "@longshore/contract";
import { z } from "zod";

/** What a tail asks to see, in the words of its client; filters of all kinds must let an event through. */
export const tailFilters = z.array(
  z.union([
    z.strictObject({ sampling_rate: z.number().min(0).max(1) }),
    z.strictObject({ outcome: z.array(z.string()) }),
    z.strictObject({ method: z.array(z.string()) }),
    z.strictObject({ header: z.object({ key: z.string(), query: z.string().nullish() }) }),
    z.strictObject({ client_ip: z.array(z.string()) }),
    z.strictObject({ query: z.string() }),
    z.strictObject({ scriptVersion: z.string() }),
  ]),
);

export type TailFilter = z.infer<typeof tailFilters>[number];

/** `self` is the address that the tail's client comes from; `random` is between 0 and 1. */
export function passes(event: TraceEvent, filters: readonly TailFilter[], self: string, random: number): boolean {
  return filters.every((filter) => passesOne(event, filter, self, random));
}

function passesOne(event: TraceEvent, filter: TailFilter, self: string, random: number): boolean {
  const request = event.event?.request;
  if ("sampling_rate" in filter) return random < filter.sampling_rate;
  if ("outcome" in filter) return filter.outcome.includes(event.outcome);
  if ("method" in filter) return request !== undefined && filter.method.includes(request.method);
  if ("scriptVersion" in filter) return event.scriptVersion.id === filter.scriptVersion;
  if ("query" in filter) return event.logs.some(({ message }) => JSON.stringify(message).includes(filter.query));
  if ("client_ip" in filter) {
    const address = request?.headers["cf-connecting-ip"];
    return address !== undefined && filter.client_ip.some((each) => (each === "self" ? self : each) === address);
  }
  const value = request?.headers[filter.header.key.toLowerCase()];
  return value !== undefined && (typeof filter.header.query !== "string" || value.includes(filter.header.query));
}
