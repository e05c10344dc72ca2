export { createEdge, type Edge, type EdgeOptions } from "./edge.js";
export { scriptOfHost } from "./route.js";
