interface Resource {
  /** Has no effect the second time. */
  dispose(): void;
}

const registry = new FinalizationRegistry<Resource>((resource) => resource.dispose());

/** Frees engine memory when the object that stands for it is garbage collected. */
export function releaseWhenCollected(owner: object, resource: Resource): void {
  registry.register(owner, resource, owner);
}

/** Frees engine memory now. */
export function release(owner: object, resource: Resource): void {
  registry.unregister(owner);
  resource.dispose();
}
