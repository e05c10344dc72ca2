/** Request header that says whether a request came by http or https: `request.url` follows it. The edge sets it, and so do Workers that call each other. */
export const PROTOCOL_HEADER = "X-Forwarded-Proto";
