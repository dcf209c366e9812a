/** A name server says that the name has no address. */
type NotFound = "not_found";
/** No name server answered, or the answer was an error. */
type Failed = "failed";

/** A name could not be resolved; the message is for the person who reads the attempt. */
export class NameLookupError extends Error {
  override readonly name = "NameLookupError";
  readonly kind: NotFound | Failed;

  constructor(kind: NotFound | Failed, message: string) {
    super(message);
    this.kind = kind;
  }
}
