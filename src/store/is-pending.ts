/**
 * In SQL, of a row source named `delivery`: it is owed. Only whoever reads what is due says
 * `status = 'pending'`, which is what the index of due deliveries holds: a statement that looks for
 * one delivery and says so too may be planned through that index, and then passes every entry whose
 * delivery was sent since, for as long as a transaction elsewhere keeps those alive. Recording an
 * ending once took ten times as long after three minutes of that.
 */
export const IS_PENDING = "delivery.finished_at is null";
