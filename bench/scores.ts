/** Scores with a normal distribution, the same at every call. */
export function normalScores(rows: number): Float32Array<ArrayBuffer> {
  const scores = new Float32Array(rows);
  let state = 0x9e3779b9;
  const uniform = () => {
    // xorshift32 (Marsaglia 2003); never 0.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < rows; i++) scores[i] = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return scores;
}
