/**
 * In SQL, of a row source named `delivery` that is not the optional side of a join: it is pending.
 *
 * `status = 'pending'` is the condition of the index of due deliveries. A statement that looks for
 * one delivery with that condition may be planned through this index, and then passes every entry
 * whose delivery was sent since, for as long as a transaction elsewhere keeps those alive:
 * recording an ending took ten times as long after three minutes. So only readers of due deliveries
 * use it.
 */
export const IS_PENDING = "delivery.finished_at is null";
