/** The public types of outbound handlers. */

/** What a handler is told besides the request. `params` is what the handler was chosen with at run time. */
export type OutboundHandlerContext<Params = unknown> = {
  /** The id of the container's Durable Object, for `idFromString`. */
  containerId: string;
  /** The name of the Container class. */
  className: string;
} & ([Params] extends [undefined] ? { params?: undefined } : undefined extends Params ? { params?: Params } : { params: Params });

/** The last argument of a method that chooses a handler: required if the handler's params are. */
export type OutboundParamsArg<Params> = [Params] extends [undefined] ? [] : undefined extends Params ? [params?: Params] : [params: Params];

/**
 * Answers a request that a container has made. `fetch(request)` sends it on to where it was meant for. Runs in the Worker, with its bindings.
 */
export type OutboundHandler<E = Cloudflare.Env, P = unknown> = {
  bivarianceHack(req: Request, env: E, ctx: OutboundHandlerContext<P>): Promise<Response> | Response;
}["bivarianceHack"];

/**
 * Any handler. Without type parameters, by which the compiler would compare: so one that asks for narrower types than these may stand for it.
 */
export type AnyOutboundHandler = {
  bivarianceHack(req: Request, env: Cloudflare.Env, ctx: OutboundHandlerContext): Promise<Response> | Response;
}["bivarianceHack"];

export type OutboundHandlerParams = Record<string, unknown>;

/** The params that a handler asks for. */
export type OutboundHandlerParamsOf<THandler> = THandler extends (
  req: Request,
  env: unknown,
  ctx: OutboundHandlerContext<infer Params>,
) => Promise<Response> | Response
  ? Params
  : never;

/** Named handlers, from the params of each. */
export type OutboundHandlers<ParamsByMethod extends OutboundHandlerParams, E = Cloudflare.Env> = {
  [Method in keyof ParamsByMethod]?: OutboundHandler<E, ParamsByMethod[Method]>;
};

/** A handler chosen by its name in `outboundHandlers`, and what it is to get. */
export type OutboundHandlerChoice<Params = unknown> = { method: string } & Pick<OutboundHandlerContext<Params>, "params">;

/** The params for `handler`, checked by the compiler against what it asks for. */
export function outboundParams<THandler extends OutboundHandler<unknown, unknown>>(
  _handler: THandler,
  params: OutboundHandlerParamsOf<THandler>,
): OutboundHandlerParamsOf<THandler> {
  return params;
}
