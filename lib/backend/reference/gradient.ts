import { add } from './operations.ts';
import { constant, type Variable } from './tape.ts';

/**
 * Reverse-mode derivative of a scalar by leaves. The result is recorded on the tape like any other value, so a
 * Hessian-vector product is the gradient of ⟨gradient, v⟩ (Pearlmutter 1994).
 * @param output 1 × 1
 * @returns one variable a leaf, of its shape; zeros where `output` does not depend on it
 */
export function gradient(output: Variable, leaves: readonly Variable[]): Variable[] {
  if (output.data.length !== 1) throw new RangeError(`gradient of a ${output.rows} x ${output.columns} value`);
  const cotangents = new Map<Variable, Variable>([[output, constant(1, 1, Float64Array.of(1))]]);
  for (const node of usersFirst(output)) {
    const cotangent = cotangents.get(node)!;
    for (const [k, input] of node.inputs.entries()) {
      if (!input.tracked) continue;
      const share = node.vjps[k](cotangent, node);
      const others = cotangents.get(input);
      cotangents.set(input, others ? add(others, share) : share);
    }
  }
  return leaves.map(
    (leaf) => cotangents.get(leaf) ?? constant(leaf.rows, leaf.columns, new Float64Array(leaf.data.length)),
  );
}

/** The tracked variables `output` depends on, each after all its users: a depth-first post-order, reversed. */
function usersFirst(output: Variable): Variable[] {
  const order: Variable[] = [];
  const seen = new Set<Variable>();
  // An explicit stack: the graph of a second derivative is deeper than the call stack may be.
  const stack: { node: Variable; next: number }[] = [];
  const visit = (node: Variable): void => {
    if (!node.tracked || seen.has(node)) return;
    seen.add(node);
    stack.push({ node, next: 0 });
  };
  visit(output);
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.next < top.node.inputs.length) {
      visit(top.node.inputs[top.next++]);
    } else {
      order.push(top.node);
      stack.pop();
    }
  }
  return order.reverse();
}
