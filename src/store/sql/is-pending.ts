/**
 * In SQL, of a row source named `delivery` that is not the optional side of a join: it is owed.
 *
 * `status = 'pending'` is what the index of due deliveries holds. A statement that looks for one
 * delivery and says that may be planned through this index, and then passes every entry whose
 * delivery was sent since, for as long as a transaction elsewhere keeps those alive: recording an
 * ending took ten times as long after three minutes. So only whoever reads what is due says it.
 */
export const IS_PENDING = "delivery.finished_at is null";
