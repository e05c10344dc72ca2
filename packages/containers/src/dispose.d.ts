/** The runtime has `Symbol.dispose`; the library that these types stand on does not say so. */
interface SymbolConstructor {
  readonly dispose: unique symbol;
}
interface Disposable {
  [Symbol.dispose](): void;
}
