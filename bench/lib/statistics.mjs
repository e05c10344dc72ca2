/** The value below which `share` of the samples lie (nearest rank). With 30 samples the 99th percentile is the slowest. */
export function percentile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Two digits behind the point: more would be noise. */
export function round(value) {
  return Math.round(value * 100) / 100;
}
