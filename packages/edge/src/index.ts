export { CertificateDirectory } from "./acme/certificate-directory.js";
export { certifiableHosts } from "./acme/hosts.js";
export { Issuer } from "./acme/issuer.js";
export { ManagedCertificates } from "./acme/managed-certificates.js";
export { type CertificatePair, Certificates, hostsOf } from "./certificates.js";
export type { EdgePlace } from "./client.js";
export { createEdge, type Edge, type EdgeOptions } from "./edge.js";
export { DEFAULT_LIMITS, type EdgeLimits, type Rate } from "./limits.js";
