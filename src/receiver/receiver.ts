/* The exports of `ringback/receiver`. */
export {
  createReceiver,
  type Handlers,
  type Receiver,
  type ReceiverOptions,
} from "./create-receiver.ts";
export type {
  CallbackEvent,
  CallbackEventType,
  EventOf,
  JobData,
  JobEvent,
  OperationalData,
  OperationalEvent,
  TestEvent,
} from "./event.ts";
export { lambdaHandler, type LambdaEvent, type LambdaResult } from "./lambda.ts";
export { nodeHandler, type NodeRequest, type NodeResponse } from "./node.ts";
export type { CallbackReply, Replied } from "./reply.ts";
export { ResultUnavailableError, type ResultReader } from "./result.ts";
export { memorySeen, type SeenStore } from "./create-receiver.ts";
